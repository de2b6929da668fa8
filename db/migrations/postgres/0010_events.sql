-- Events that are told to everybody, and the runs that wait for them. Times are microseconds since 1970.
create table event_shape (
    type  text not null,
    paths text not null,                      -- JSON: what waits compare of events of this type
    keep  bigint not null,                    -- microseconds that an event is kept for waits that begin later
    primary key (type, paths)
);

create table event_wait (
    key    text not null,                     -- of type and compared values
    run_id uuid not null,
    part   smallint not null,
    primary key (key, run_id)
);
create index event_wait_run on event_wait (run_id);
create index event_wait_part on event_wait (part);

create table event_kept (
    key        text not null,
    id         text not null,
    at         bigint not null,
    expires_at bigint not null,
    event      text not null,                 -- JSON
    primary key (key, id)
);
create index event_kept_expires on event_kept (expires_at);
