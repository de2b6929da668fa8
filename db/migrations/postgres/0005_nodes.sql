-- Processes that share the database. A node's session holds the advisory lock (1650553967, lock_key) as long
-- as the process lives; the lease covers one that hangs. In owner, node '' means that nobody owns the partition.
create table node (
    node        text primary key,             -- of one life of one process
    lock_key    int not null,
    version     text not null,                -- of the program
    drains      boolean not null,             -- wants no partition
    has_broker  boolean not null,             -- inside it: its workers are nobody else's
    lease_until timestamptz not null,
    since       timestamptz not null default now()
) with (fillfactor = 20, autovacuum_vacuum_threshold = 1000);
