// A worker's process as the API shows it. Pure.
#pragma once

#include "web/api.hpp"

#include <boost/json/object.hpp>

namespace baton::web {

boost::json::object worker_json(const WorkerLook& worker);

} // namespace baton::web
