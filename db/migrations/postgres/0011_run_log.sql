-- Lines that workers say of a run while they work; of a run that says much the oldest go.
create table run_log (
    run_id  uuid not null,
    number  bigint not null,                  -- 1, 2, ... of the run
    at      bigint not null,                  -- microseconds since 1970
    step    text not null,
    attempt int not null,
    level   text not null,
    line    text not null,
    primary key (run_id, number)
);
