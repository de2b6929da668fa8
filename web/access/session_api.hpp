// The routes with which a session begins, is asked for and ends: /api/login for RabbitMQ's dialect,
// /baton/v1/session and /baton/v1/me for ours.
#pragma once

#include "web/access/doorkeeper.hpp"

#include <memory>

namespace baton::web {

void add_session_routes(Routes& routes, const std::shared_ptr<Doorkeeper>& doorkeeper);

} // namespace baton::web
