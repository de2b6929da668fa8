-- What is remembered of the triggers of workflows: how far a schedule has come, its pause, what waits.
create table trigger_state (
    workflow text not null,
    name     text not null,
    version  integer not null,                -- counts its changes
    state    text not null,                   -- JSON
    primary key (workflow, name)
) strict, without rowid;
