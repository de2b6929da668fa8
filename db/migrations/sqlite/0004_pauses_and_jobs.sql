-- What people let pause: task types and workflows.
create table pause (
    kind     integer not null,                -- 1 workflow 2 task type
    name     text not null,
    actor    text not null,
    reason   text not null,
    at       integer not null,
    ended_at integer,                         -- goes on since then; kept a while for the other servers
    primary key (kind, name)
) strict, without rowid;

-- Many runs changed, one after the other. Times are microseconds since 1970.
create table run_job (
    id             integer primary key autoincrement,
    key            text not null unique,      -- of who asked, so that asking twice makes one
    node           text not null,             -- the server that does it
    at             integer not null,
    actor          text not null,
    action         text not null,             -- JSON
    query          text not null,
    interval       integer not null,            -- microseconds between two runs
    stop_after     integer not null,            -- runs that refuse; 0: never
    state          integer not null,             -- 1 running 2 done 3 cancelled 4 stopped
    closed_at      integer,
    total          integer not null,
    total_is_exact integer not null,
    cursor         text not null,
    done           integer not null,
    refused        integer not null,
    note           text not null
) strict;
create index run_job_running on run_job (id) where state = 1;
