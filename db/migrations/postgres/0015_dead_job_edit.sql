-- A bulk job over dead letters may change the input of each as somebody changed that of one.
alter table dead_job add column edit text not null default '';     -- JSON; empty: they go as they are
alter table dead_job add column unfit bigint not null default 0;   -- letters that the change does not fit
