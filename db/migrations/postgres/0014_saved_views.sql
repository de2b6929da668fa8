-- Queries for runs that somebody keeps under a name, each user his own.
create table saved_view (
    user_name text not null,
    name      text not null,
    query     text not null,                  -- in the language of baton runs
    at        bigint not null,                -- microseconds since 1970, of the last change
    primary key (user_name, name)
);
