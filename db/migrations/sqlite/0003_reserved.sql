-- Nothing: the number is kept for another change of the tables.
select 1;
