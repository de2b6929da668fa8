-- Named limits that several servers share: how many tasks each partition may have out. A row is changed by the
-- owner of its partition alone, told by the epoch, and with the row of its limit locked.
create table task_limit (
    name      text primary key,
    next_turn timestamptz not null            -- of the rate
) with (fillfactor = 20, autovacuum_vacuum_threshold = 1000);
create table limit_share (
    name      text not null,
    part      smallint not null,
    epoch     bigint not null,
    node      text not null,
    granted   bigint not null,                -- of one limit together never more than it says
    wanted    bigint not null,                -- tasks that wait for more
    served_at timestamptz not null,           -- when the node was given one last
    primary key (name, part)
) with (fillfactor = 20, autovacuum_vacuum_threshold = 1000);
