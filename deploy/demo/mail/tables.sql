-- The tables of PostfixAdmin that Baton's worker uses, and one domain.
create table domain (
    domain varchar(255) primary key, description varchar(255) not null default '', aliases int not null default 0,
    mailboxes int not null default 0, maxquota bigint not null default 0, quota bigint not null default 0,
    transport varchar(255), backupmx boolean not null default false, created timestamptz default now(),
    modified timestamptz default now(), active boolean not null default true);
create table mailbox (
    username varchar(255) primary key, password varchar(255) not null default '', name varchar(255) not null default '',
    maildir varchar(255) not null default '', quota bigint not null default 0, created timestamptz default now(),
    modified timestamptz default now(), active boolean not null default true,
    domain varchar(255) references domain(domain), local_part varchar(255) not null);
create table alias (
    address varchar(255) primary key, goto text not null, domain varchar(255) not null references domain(domain),
    created timestamptz default now(), modified timestamptz default now(), active boolean not null default true);
insert into domain(domain) values('example.org');
