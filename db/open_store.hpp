// From a database URL to a store: the only thing of `db` that the assembly needs.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <functional>
#include <memory>
#include <string>

namespace baton::db {

namespace runtime = orchestrator::runtime;

// Opens (SQLite: makes) the database of `url` and brings its tables up to date. Forms:
//   postgresql://user:password@host:5432/database?sslmode=require
//   sqlite:/absolute/path.db   sqlite:///absolute/path.db   sqlite:relative.db   relative.db
// StoreErrc::unavailable: the server is out of reach now, asking again later makes sense; refused:
// somebody has to change something, and the sentence says what. No sentence contains a password.
// The store is used by one thread at a time. While a server hangs on the way, `gives_up` is asked, on a
// thread of its own; once it says so, what is under way is cut off and open_store fails as unavailable.
Outcome<std::unique_ptr<runtime::RunStore>> open_store(const std::string& url,
                                                       const std::function<bool()>& gives_up = {});

// Another connection to the same database, for reading; after open_store() has succeeded once. One
// object per thread: who answers from several threads opens several.
Outcome<std::unique_ptr<runtime::RunQueries>> open_queries(const std::string& url);

// The URL without its password, for logs.
std::string printable_url(const std::string& url);

} // namespace baton::db
