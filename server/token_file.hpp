// Where tokens for programs are kept: tokens.json in the data folder, only its owner reads it, and
// it holds hashes and no token. Written whole beside the old one and renamed, so that a kill leaves
// one of them.
#pragma once

#include "base/result.hpp"
#include "web/access/stored_token.hpp"

#include <string>
#include <vector>

namespace baton::server {

// None where there is no file. A file that is damaged is a failure: a server that went on without
// it would forget tokens that people rely on, and write over them.
Outcome<std::vector<web::StoredToken>> read_tokens(const std::string& path);
Outcome<void> write_tokens(const std::string& path, const std::vector<web::StoredToken>& tokens);

} // namespace baton::server
