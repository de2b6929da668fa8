-- Runs found by their labels, inputs, key, error and end. Texts are compared byte by byte, so that an index
-- finds what begins with something.
alter table run add column tags text not null default '';  -- JSON object of texts: label.NAME, input.NAME, key

create table run_tag (                        -- of tags, all but the key, which start_key has
    name   text collate "C" not null,         -- label.NAME or input.NAME
    value  text collate "C" not null,
    run_id uuid not null,
    primary key (name, value, run_id)
);

alter table start_key alter column key type text collate "C";

-- What these hold changes only when a run closes or is opened again, and so does its status.
alter table run alter column error_type type text collate "C";
create index run_by_error on run (error_type, run_id) where error_type <> '';
create index run_by_end on run (closed_at, run_id) where closed_at is not null;
