-- One process at a time has a SQLite database; the number keeps step with PostgreSQL's migrations.
select 1;
