-- What was answered to requests with an Idempotency-Key: a row before the act, its answer behind it.
create table kept_answer (
    name        text primary key,             -- user and key
    fingerprint text not null,                -- of the request
    owner       text not null,                -- of who began it
    at          bigint not null,              -- microseconds since 1970, when it was begun
    status      int not null,                 -- 0: not answered
    body        text not null
);
create index kept_answer_at on kept_answer (at);
