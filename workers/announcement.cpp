// Handlers to JSON.
#include "workers/announcement.hpp"

#include "contract/topology.hpp"

#include <boost/json.hpp>

namespace baton::workers {

namespace json = boost::json;

std::string announcement_of(const Handler& handler, std::string_view worker, std::string_view queue) {
    json::object out{{"task", handler.task},
                     {"worker", worker},
                     {"version", BATON_VERSION},
                     {"queue", contract::task_queue(contract::task_key(handler.task, queue))}};
    const auto add = [&out](const char* name, json::object schema) {
        if (schema.empty()) return;
        schema["$schema"] = "http://json-schema.org/draft-07/schema#";
        out[name] = std::move(schema);
    };
    add("parameters", handler.parameters);
    add("result", handler.result);
    return json::serialize(out);
}

} // namespace baton::workers
