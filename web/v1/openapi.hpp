// The description of /baton/v1 that is part of the program: web/openapi.yaml.
#pragma once

#include <string>

namespace baton::web {

const std::string& openapi_yaml();

} // namespace baton::web
