// The format of workflow files as a JSON Schema (draft 7), for editors that complete and underline
// while one types. It has the keys of the key table; what no schema can say, names that exist and
// expressions that fit, is `baton check`'s. Pure.
#pragma once

#include <boost/json/object.hpp>

namespace baton::orchestrator::definition {

boost::json::object json_schema();

} // namespace baton::orchestrator::definition
