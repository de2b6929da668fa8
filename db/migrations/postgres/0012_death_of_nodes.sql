-- When the database itself was started, as the node saw it with its session. Who has none now, and the database has
-- not been started again since, has died; else its lease is waited for.
alter table node add column database_started timestamptz;
