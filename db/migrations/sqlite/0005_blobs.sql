-- Large values, kept once. Where one stood there is a reference: the byte 1, the hash, a colon, the size, the byte 2.
create table blob (
    sha256 text not null unique,              -- hexadecimal
    text   text not null                      -- JSON
) strict;
create table blob_use (                       -- which runs refer to it; the last one takes it along
    run_id text not null,
    sha256 text not null,
    primary key (run_id, sha256)
) strict, without rowid;
create index blob_use_by_blob on blob_use (sha256);
