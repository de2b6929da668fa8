-- The same tables as PostfixAdmin 3.3 makes them in MariaDB and MySQL.
create table domain (domain varchar(255) not null primary key, description varchar(255) character set utf8 not null default '',
    aliases int not null default 0, mailboxes int not null default 0, maxquota bigint not null default 0,
    quota bigint not null default 0, transport varchar(255) not null default '', backupmx tinyint(1) not null default 0,
    created datetime not null default '2000-01-01 00:00:00', modified datetime not null default '2000-01-01 00:00:00',
    active tinyint(1) not null default 1, password_expiry int default 0) engine = InnoDB collate latin1_general_ci;
create table mailbox (username varchar(255) not null primary key, password varchar(255) not null,
    name varchar(255) character set utf8 not null, maildir varchar(255) not null, quota bigint not null default 0,
    local_part varchar(255) not null, domain varchar(255) not null, created datetime not null default '2000-01-01 00:00:00',
    modified datetime not null default '2000-01-01 00:00:00', active tinyint(1) not null default 1,
    phone varchar(30) character set utf8 not null default '', email_other varchar(255) character set utf8 not null default '',
    token varchar(255) character set utf8 not null default '', token_validity datetime not null default '2000-01-01 00:00:00',
    password_expiry datetime not null default '2000-01-01 00:00:00', key domain (domain)) engine = InnoDB collate latin1_general_ci;
create table alias (address varchar(255) not null primary key, goto text not null, domain varchar(255) not null,
    created datetime not null default '2000-01-01 00:00:00', modified datetime not null default '2000-01-01 00:00:00',
    active tinyint(1) not null default 1, key domain (domain)) engine = InnoDB collate latin1_general_ci;
insert into domain(domain) values ('example.org');
