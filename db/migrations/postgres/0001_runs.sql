-- Runs, their history, and what a start needs. Documents are text, not jsonb: they come back byte
-- for byte, and no content can make the server refuse a whole batch (docs/decisions says more).
-- Look into one with  state::jsonb.

create table definition (
    definition_id bigint generated always as identity primary key,
    name          text not null,
    version       int not null,
    source        text not null,              -- the TOML as uploaded
    file_name     text not null,
    sha256        bytea not null,             -- of the source
    created_at    timestamptz not null,
    unique (name, version),
    unique (name, sha256)
);

create table live (                           -- the version a new start takes
    name          text primary key,
    definition_id bigint not null references definition
);

create table run (                            -- one row per run; the hot row
    run_id           uuid primary key,        -- version 7: ordered by the time of the start
    part             smallint not null,       -- whose fence guards it
    definition_id    bigint not null,
    workflow         text not null,
    workflow_version int not null,
    status           smallint not null,       -- 1 queued 2 running 3 paused 4 compensating 5 completed
                                              -- 6 failed 7 cancelled 8 timed_out 9 compensated
    version          bigint not null,         -- +1 per transition, compared by each
    started_at       timestamptz not null,
    closed_at        timestamptz,
    state            text not null,           -- JSON, opaque
    input            text not null,           -- JSON
    output           text,                    -- JSON
    error_type       text not null default '',
    error            text not null default ''
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
-- No index holds a column that changes with every transition, so most updates stay on their page.
create index run_by_workflow on run (workflow, status, run_id);
create index run_by_status on run (status, run_id) where status <> 5;

create table history (                        -- append only, one row per transition; also the outbox
    run_id uuid not null,
    seq    bigint not null,                   -- run.version after the transition
    part   smallint not null,
    pseq   bigint not null,                   -- order of the transition within its partition
    at     timestamptz not null,
    events text not null,                     -- JSON array: facts and effects
    primary key (run_id, seq)
);
create index history_by_part on history (part, pseq);

create table alarm (                          -- one lazy alarm per run: rings no later than its
    run_id uuid primary key,                  -- earliest deadline
    part   smallint not null,
    due    timestamptz not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create index alarm_by_part on alarm (part);

create table start_key (                      -- idempotent starts
    workflow     text not null,
    key          text not null,
    run_id       uuid not null,
    input_sha256 bytea not null,
    at           timestamptz not null,
    expires_at   timestamptz,                 -- null: never
    primary key (workflow, key)
);

create table owner (                          -- one row per partition: the fence and the outbox cursor
    part      smallint primary key,
    node      text not null,
    epoch     bigint not null,
    pseq      bigint not null default 0,      -- last transition committed
    published bigint not null default 0       -- every effect of transitions <= this is confirmed
) with (fillfactor = 10, autovacuum_vacuum_threshold = 1000);

create table dead_letter (
    id               bigint generated always as identity primary key,
    at               timestamptz not null,
    state            smallint not null default 1, -- 1 open 2 redriven 3 dropped
    closed_at        timestamptz,
    reason           text not null,
    task             text not null,
    run_id           uuid,                    -- null: a message of no run
    workflow         text not null,
    workflow_version int not null,
    step             text not null,
    attempts         int not null,
    error_type       text not null,
    error            text not null,           -- JSON
    input            text not null,           -- JSON
    message          text not null            -- JSON
);
create index dead_letter_by_run on dead_letter (run_id) where run_id is not null;
create index dead_letter_open on dead_letter (id) where state = 1;

create table secret (
    id    smallint primary key check (id = 1),
    bytes bytea not null
);
