// Why a PostgreSQL server does not let us in: its SQLSTATE, which libpqxx does not tell.
#pragma once

#include <string>

namespace baton::workers::mail {

// Connects once more and returns "28P01", "57P03" and so on; empty if the server cannot be reached or all
// is well now. Blocks for a few seconds at most.
std::string connect_reason(const std::string& url);

// The URL with a limit on the time to connect, and a name that the server's tools show.
std::string with_limits(const std::string& url);

} // namespace baton::workers::mail
