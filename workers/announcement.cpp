// Handlers to announcements.
#include "workers/announcement.hpp"

#include "base/json_text.hpp"
#include "contract/topology.hpp"

#include <boost/json.hpp>

namespace baton::workers {

namespace json = boost::json;

namespace {

std::string schema_text(json::object schema) {
    if (schema.empty()) return {};
    schema["$schema"] = "http://json-schema.org/draft-07/schema#";
    return write_json(schema);
}

} // namespace

contract::Announcement announcement_of(const Handler& handler, std::string_view worker, std::string_view queue,
                                       std::uint32_t concurrency) {
    contract::Announcement about;
    about.task = handler.task;
    about.worker = worker;
    about.version = BATON_VERSION;
    // "mail@host:4711"
    if (const auto at = worker.find('@'); at != std::string_view::npos)
        about.host = worker.substr(at + 1, worker.rfind(':') - at - 1);
    about.queue = contract::task_queue(contract::task_key(handler.task, queue));
    about.concurrency = concurrency;
    about.every = contract::announcement_interval;
    about.parameters = schema_text(handler.parameters);
    about.result = schema_text(handler.result);
    return about;
}

} // namespace baton::workers
