#include "web/access/act.hpp"

#include "base/utf8.hpp"
#include "web/http/replies.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace baton::web {

std::string audit_line(const Act& act, Time at) {
    boost::json::object line;
    line["at"] = to_rfc3339(at);
    line["actor"] = as_utf8(act.actor);
    line["role"] = act.role;
    line["address"] = act.address;
    line["action"] = as_utf8(act.action);
    line["target"] = as_utf8(act.target);
    line["outcome"] = act.outcome;
    return boost::json::serialize(line) + "\n";
}

} // namespace baton::web
