// The forms of BATON_DB_URL, taken apart. Pure functions; nothing here connects, and no sentence
// made here contains a password.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>

namespace baton::db {

struct DatabaseUrl {
    enum class Kind { sqlite, postgres };
    Kind kind = Kind::sqlite;
    std::string location; // sqlite: path of the file; postgres: the URL as libpq takes it
};

// Takes postgresql://… (also postgres://…), sqlite:relative.db, sqlite:/absolute.db,
// sqlite:///absolute.db, or a plain path. Everything else gets a sentence that says what to write.
Outcome<DatabaseUrl> parse_database_url(std::string_view text);

// A PostgreSQL URL with its password replaced by ***.
std::string without_password(std::string_view url);

// `text` with every occurrence of the passwords of `url`, escaped or not, replaced by ***.
std::string hide_passwords(std::string text, std::string_view url);

// A PostgreSQL URL with time limits for connecting and for noticing a dead network, which settings
// of the URL override.
std::string with_connection_limits(std::string_view url);

} // namespace baton::db
