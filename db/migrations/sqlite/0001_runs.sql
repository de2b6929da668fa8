-- The tables of migrations/postgres/0001_runs.sql for SQLite. Times are microseconds since 1970,
-- run ids are text, documents are text.

pragma application_id = 0x4261746E;            -- "Batn"

create table definition (
    definition_id integer primary key autoincrement,
    name          text not null,
    version       integer not null,
    source        text not null,              -- the TOML as uploaded
    file_name     text not null,
    sha256        text not null,              -- of the source, hexadecimal
    created_at    integer not null,
    unique (name, version),
    unique (name, sha256)
) strict;

create table live (                           -- the version a new start takes
    name          text primary key,
    definition_id integer not null references definition
) strict, without rowid;

create table run (                            -- one row per run; the hot row
    run_id           text not null unique,    -- UUID version 7: ordered by the time of the start
    part             integer not null,        -- whose fence guards it
    definition_id    integer not null,
    workflow         text not null,
    workflow_version integer not null,
    status           integer not null,        -- 1 queued 2 running 3 paused 4 compensating 5 completed
                                              -- 6 failed 7 cancelled 8 timed_out 9 compensated
    version          integer not null,        -- +1 per transition, compared by each
    started_at       integer not null,
    closed_at        integer,
    error_type       text not null default '',
    error            text not null default '',
    state            text not null,           -- JSON, opaque
    input            text not null,           -- JSON
    output           text                     -- JSON
) strict;
create index run_by_workflow on run (workflow, status, run_id);
create index run_by_status on run (status, run_id) where status <> 5;

create table history (                        -- append only, one row per transition; also the outbox
    run_id text not null,
    seq    integer not null,                  -- run.version after the transition
    part   integer not null,
    pseq   integer not null,                  -- order of the transition within its partition
    at     integer not null,
    events text not null,                     -- JSON array: facts and effects
    unique (run_id, seq)
) strict;
create index history_by_part on history (part, pseq);

create table alarm (                          -- one lazy alarm per run: rings no later than its
    run_id text primary key,                  -- earliest deadline
    part   integer not null,
    due    integer not null
) strict, without rowid;
create index alarm_by_part on alarm (part);

create table start_key (                      -- idempotent starts
    workflow     text not null,
    key          text not null,
    run_id       text not null,
    input_sha256 text not null,               -- hexadecimal
    expires_at   integer,                     -- null: never
    primary key (workflow, key)
) strict, without rowid;

create table owner (                          -- one row per partition: the fence and the outbox cursor
    part      integer primary key,
    node      text not null,
    epoch     integer not null,
    pseq      integer not null default 0,     -- last transition committed
    published integer not null default 0      -- every effect of transitions <= this is confirmed
) strict;

create table dead_letter (
    id               integer primary key autoincrement,
    at               integer not null,
    state            integer not null default 1, -- 1 open 2 redriven 3 dropped
    closed_at        integer,
    reason           text not null,
    task             text not null,
    run_id           text,                    -- null: a message of no run
    workflow         text not null,
    workflow_version integer not null,
    step             text not null,
    attempts         integer not null,
    error_type       text not null,
    error            text not null,           -- JSON
    input            text not null,           -- JSON
    message          text not null            -- JSON
) strict;
create index dead_letter_by_run on dead_letter (run_id) where run_id is not null;
create index dead_letter_open on dead_letter (id) where state = 1;

create table secret (
    id    integer primary key check (id = 1),
    bytes text not null                       -- hexadecimal
) strict;
