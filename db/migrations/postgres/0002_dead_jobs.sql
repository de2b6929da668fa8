-- Dead letters by cause, and many of them sent again or dropped by one request.
alter table dead_letter add column cause text not null default '';        -- key of its group; '': not known yet
alter table dead_letter add column closed_by text not null default '';
alter table dead_letter add column close_reason text not null default '';
alter table dead_letter add column job bigint;                            -- of dead_job, which closed it
alter table dead_letter add column again_of bigint;                       -- a message: sent again from that letter
create index dead_letter_by_cause on dead_letter (state, cause, id, at);
create index dead_letter_without_cause on dead_letter (id) where cause = '';
create index dead_letter_by_job on dead_letter (job) where job is not null;

create table dead_job (
    id         bigint generated always as identity primary key,
    key        text not null unique,          -- of who asked, so that asking twice makes one
    at         timestamptz not null,
    actor      text not null,
    drops      boolean not null,              -- false: sends again
    filter     text not null,                 -- JSON
    interval   bigint not null,               -- microseconds between two letters
    stop_after bigint not null,               -- new failures; 0: never
    reason     text not null,
    state      smallint not null,             -- 1 running 2 done 3 cancelled 4 stopped
    closed_at  timestamptz,
    total      bigint not null,
    last_id    bigint not null,               -- younger letters are not its own
    cursor     bigint not null,
    done       bigint not null,
    refused    bigint not null,
    failures   bigint not null,
    seen_id    bigint not null,
    note       text not null
);
create index dead_job_running on dead_job (id) where state = 1;
