-- The tables of PostfixAdmin 3.3 that mail servers and worker mail use, with all their columns.
create table domain (domain varchar(255) primary key, description varchar(255) not null default '',
    aliases integer not null default 0, mailboxes integer not null default 0, maxquota bigint not null default 0,
    quota bigint not null default 0, transport varchar(255), backupmx boolean not null default false,
    created timestamptz default now(), modified timestamptz default now(), active boolean not null default true,
    password_expiry integer default 0);
create table mailbox (username varchar(255) primary key, password varchar(255) not null default '',
    name varchar(255) not null default '', maildir varchar(255) not null default '', quota bigint not null default 0,
    created timestamptz default now(), modified timestamptz default now(), active boolean not null default true,
    domain varchar(255) references domain(domain), local_part varchar(255) not null,
    phone varchar(30) not null default '', email_other varchar(255) not null default '',
    token varchar(255) not null default '', token_validity timestamptz default '2000-01-01', password_expiry timestamptz default '2000-01-01');
create table alias (address varchar(255) primary key, goto text not null,
    domain varchar(255) not null references domain(domain), created timestamptz default now(),
    modified timestamptz default now(), active boolean not null default true);
insert into domain(domain) values ('example.org');
