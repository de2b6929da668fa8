-- A run's row is written four times or more, and an update that finds room on the page of the row leaves the
-- indexes alone. With rows of half a kilobyte to two, 30 % of a page was room for one in three. New pages only.
alter table run set (fillfactor = 50);
