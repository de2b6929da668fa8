-- Dead letters by cause, and many of them sent again or dropped by one request.
alter table dead_letter add column cause text not null default '';        -- key of its group; '': not known yet
alter table dead_letter add column closed_by text not null default '';
alter table dead_letter add column close_reason text not null default '';
alter table dead_letter add column job integer;                           -- of dead_job, which closed it
alter table dead_letter add column again_of integer;                      -- a message: sent again from that letter
create index dead_letter_by_cause on dead_letter (state, cause, id, at);
create index dead_letter_without_cause on dead_letter (id) where cause = '';
create index dead_letter_by_job on dead_letter (job) where job is not null;

create table dead_job (
    id         integer primary key autoincrement,
    key        text not null unique,          -- of who asked, so that asking twice makes one
    at         integer not null,
    actor      text not null,
    drops      integer not null,              -- 0: sends again
    filter     text not null,                 -- JSON
    interval   integer not null,              -- microseconds between two letters
    stop_after integer not null,              -- new failures; 0: never
    reason     text not null,
    state      integer not null,              -- 1 running 2 done 3 cancelled 4 stopped
    closed_at  integer,
    total      integer not null,
    last_id    integer not null,              -- younger letters are not its own
    cursor     integer not null,
    done       integer not null,
    refused    integer not null,
    failures   integer not null,
    seen_id    integer not null,
    note       text not null
) strict;
create index dead_job_running on dead_job (id) where state = 1;
