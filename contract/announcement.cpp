// See announcement.hpp.
#include "contract/announcement.hpp"

#include "base/json_text.hpp"
#include "base/printable.hpp"
#include "contract/topology.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::contract {

namespace json = boost::json;

namespace {

// As deep as schemas get; what reads them recurses.
constexpr JsonRules announcement_rules{24, true};
constexpr std::size_t text_bytes_max = 255;
constexpr std::uint32_t concurrency_max = 100'000;
constexpr std::int64_t every_seconds_max = 3600;

Failure wrong(std::string detail) {
    return {make_error_code(boost::system::errc::bad_message), std::move(detail)};
}

// A text that people may read in one line, or nothing.
std::string announced_text(const json::object& object, std::string_view name) {
    const json::value* found = object.if_contains(name);
    if (!found || !found->is_string() || found->get_string().size() > text_bytes_max) return {};
    return printable(found->get_string());
}

std::int64_t announced_number(const json::object& object, std::string_view name, std::int64_t most) {
    const json::value* found = object.if_contains(name);
    if (!found || !found->is_int64()) return 0;
    return std::clamp<std::int64_t>(found->get_int64(), 0, most);
}

std::string object_of(const json::object& object, std::string_view name) {
    const json::value* found = object.if_contains(name);
    return found && found->is_object() ? write_json(*found) : std::string{};
}

Outcome<json::object> object_in(std::string_view body) {
    if (body.size() > announcement_bytes_max)
        return wrong(fmt::format("has {} bytes; {} is the most", body.size(), announcement_bytes_max));
    auto read = read_json(body, announcement_rules);
    if (!read) return wrong(read.error().detail);
    if (!read->is_object()) return wrong("is no JSON object");
    return std::move(read->get_object());
}

} // namespace

bool is_task_name(std::string_view name) {
    constexpr std::size_t bytes_max = 255 - std::string_view{"baton.watch.99."}.size();
    const auto is_fine = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= bytes_max && std::all_of(name.begin(), name.end(), is_fine);
}

std::string to_json(const Announcement& about) {
    json::object out{{"task", about.task}, {"worker", about.worker}};
    const auto add = [&out](const char* name, const std::string& text) {
        if (!text.empty()) out[name] = text;
    };
    add("version", about.version);
    add("host", about.host);
    add("queue", about.queue);
    if (about.concurrency > 0) out["concurrency"] = about.concurrency;
    if (about.every > Duration{}) out["every"] = std::chrono::duration_cast<std::chrono::seconds>(about.every).count();
    for (const auto& [name, schema] : {std::pair{"parameters", &about.parameters}, std::pair{"result", &about.result}})
        if (auto read = schema->empty() ? wrong({}) : read_json(*schema, json_of_our_own)) out[name] = std::move(*read);
    return write_json(out);
}

amqp::Properties properties_of(const Announcement& about) {
    amqp::Properties properties;
    properties.content_type = "application/json";
    properties.type = std::string(worker_type);
    properties.expiration = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(believed_for(about.every)).count());
    return properties;
}

Outcome<Announcement> decode_announcement(std::string_view routing_key, std::string_view body) {
    BATON_ASSIGN(const json::object object, object_in(body));
    Announcement about;
    about.task = announced_text(object, "task");
    if (!is_task_name(about.task)) return wrong("'task' is no name of a task type, for example \"mail.create\"");
    if (about.task != routing_key) return wrong(fmt::format("'task' is {}, and the routing key another one", about.task));
    about.worker = announced_text(object, "worker");
    if (about.worker.empty()) return wrong("'worker' does not say which process it is, for example \"mail@host:4711\"");
    about.version = announced_text(object, "version");
    about.host = announced_text(object, "host");
    about.queue = announced_text(object, "queue");
    if (about.queue.empty()) about.queue = task_queue(about.task);
    about.concurrency = static_cast<std::uint32_t>(announced_number(object, "concurrency", concurrency_max));
    about.every = std::chrono::seconds(announced_number(object, "every", every_seconds_max));
    about.parameters = object_of(object, "parameters");
    about.result = object_of(object, "result");
    return about;
}

std::string farewell(std::string_view worker) { return write_json(json::object{{"worker", worker}}); }

Outcome<std::string> decode_farewell(std::string_view body) {
    BATON_ASSIGN(const json::object object, object_in(body));
    std::string worker = announced_text(object, "worker");
    if (worker.empty()) return wrong("'worker' does not say which process it is");
    return worker;
}

Duration believed_for(Duration every) {
    return every > Duration{} ? every * 3 : announcement_life_unsaid;
}

} // namespace baton::contract
