// MariaDB or MySQL as the mail database: what is its alone. Calls block.
#pragma once

#include <string>
#include <vector>

namespace baton::workers::mail {

// Of "mysql://user:word@host:port/database?tls=off|on|verify&ca=/file&socket=/path": why it makes no sense; empty: it does.
std::string mariadb_url_complaint(const std::string& url);

// Its error number as the SQLSTATE that PostgreSQL has for the same; "08000": cannot be reached, empty: anything else.
std::string postgres_state_of(unsigned error);

// What this user may do, tried out in a transaction that is rolled back.
struct Trial {
    std::string no_connection;        // a state as above, or the error's number; empty: there was one
    std::string said;                 // by the server, to that
    std::string user;
    std::string database;
    bool is_read_only = false;
    bool may_create = false;
    std::vector<std::string> states;  // of each statement; empty: well
};
Trial try_in_mariadb(const std::string& url, const std::vector<std::string>& statements);

} // namespace baton::workers::mail
