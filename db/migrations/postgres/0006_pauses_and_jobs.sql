-- What people let pause: task types and workflows.
create table pause (
    kind     smallint not null,               -- 1 workflow 2 task type
    name     text not null,
    actor    text not null,
    reason   text not null,
    at       timestamptz not null,
    ended_at timestamptz,                     -- goes on since then; kept a while for the other servers
    primary key (kind, name)
);

-- Many runs changed, one after the other. Times are microseconds since 1970.
create table run_job (
    id             bigint generated always as identity primary key,
    key            text not null unique,      -- of who asked, so that asking twice makes one
    node           text not null,             -- the server that does it
    at             bigint not null,
    actor          text not null,
    action         text not null,             -- JSON
    query          text not null,
    interval       bigint not null,            -- microseconds between two runs
    stop_after     bigint not null,            -- runs that refuse; 0: never
    state          smallint not null,             -- 1 running 2 done 3 cancelled 4 stopped
    closed_at      bigint,
    total          bigint not null,
    total_is_exact smallint not null,
    cursor         text not null,
    done           bigint not null,
    refused        bigint not null,
    note           text not null
);
create index run_job_running on run_job (id) where state = 1;
