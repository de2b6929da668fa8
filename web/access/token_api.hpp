// The routes of tokens: everybody has his own, an administrator sees and ends those of others.
#pragma once

#include "web/access/doorkeeper.hpp"

#include <memory>

namespace baton::web {

void add_token_routes(Routes& routes, const std::shared_ptr<Doorkeeper>& doorkeeper);

} // namespace baton::web
