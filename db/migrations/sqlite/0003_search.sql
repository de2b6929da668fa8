-- Runs found by their labels, inputs, key, error and end.
alter table run add column tags text not null default '';  -- JSON object of texts: label.NAME, input.NAME, key

create table run_tag (                        -- of tags, all but the key, which start_key has
    name   text not null,                     -- label.NAME or input.NAME
    value  text not null,
    run_id text not null,
    primary key (name, value, run_id)
) strict, without rowid;

create index run_by_error on run (error_type, run_id) where error_type <> '';
create index run_by_end on run (closed_at, run_id) where closed_at is not null;
