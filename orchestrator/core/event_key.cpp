// Keys of events.
#include "orchestrator/core/event_key.hpp"

#include "base/rfc3339.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace baton::orchestrator::core {
namespace {

constexpr std::size_t key_letters = 32;
constexpr double exact_max = 9007199254740992.0; // above it doubles leave whole numbers out

void append_canonical(std::string& out, const boost::json::value& value) {
    if (const auto* real = value.if_double(); real != nullptr && std::abs(*real) <= exact_max && std::trunc(*real) == *real) {
        out += std::to_string(static_cast<std::int64_t>(*real));
    } else if (const auto* list = value.if_array()) {
        out += '[';
        for (const auto& one : *list) {
            append_canonical(out, one);
            out += ',';
        }
        out += ']';
    } else if (const auto* object = value.if_object()) {
        std::vector<std::string_view> names;
        for (const auto& member : *object)
            names.emplace_back(member.key().data(), member.key().size());
        std::sort(names.begin(), names.end());
        out += '{';
        for (const std::string_view name : names) {
            out += boost::json::serialize(boost::json::string_view(name.data(), name.size()));
            out += ':';
            append_canonical(out, object->at(name));
            out += ',';
        }
        out += '}';
    } else {
        out += boost::json::serialize(value);
    }
}

std::string key_from(const std::string& canonical) {
    return to_hex(sha256(canonical)).substr(0, key_letters);
}

void begin(std::string& out, std::string_view type) {
    out += boost::json::serialize(boost::json::string_view(type.data(), type.size()));
}

void add(std::string& out, std::string_view path, const boost::json::value& value) {
    out += '\n';
    out.append(path);
    out += '=';
    append_canonical(out, value);
}

std::string_view key_text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

} // namespace

const boost::json::value* value_at(const boost::json::value& event, std::string_view path) {
    const boost::json::value* at = &event;
    while (at != nullptr) {
        const std::size_t dot = path.find('.');
        const auto* object = at->if_object();
        at = object == nullptr ? nullptr : object->if_contains(path.substr(0, dot));
        if (dot == std::string_view::npos) return at;
        path.remove_prefix(dot + 1);
    }
    return nullptr;
}

std::string event_key(std::string_view type, const std::vector<std::pair<std::string, Document>>& wanted) {
    std::string canonical;
    begin(canonical, type);
    for (const auto& [path, value] : wanted)
        add(canonical, path, value.json());
    return key_from(canonical);
}

std::optional<std::string> key_of(const EventShape& shape, std::string_view type, const boost::json::value& event) {
    if (shape.type != type) return std::nullopt;
    std::string canonical;
    begin(canonical, type);
    for (const std::string& path : shape.paths) {
        const auto* value = value_at(event, path);
        if (value == nullptr) return std::nullopt;
        add(canonical, path, *value);
    }
    return key_from(canonical);
}

std::vector<AwaitedEvent> awaited_events(const Document& wait) {
    std::vector<AwaitedEvent> all;
    const auto look = [&all](const boost::json::object& in, std::string_view way) {
        const auto* event = in.if_contains("event");
        if (event == nullptr || !event->is_object()) return;
        AwaitedEvent& one = all.emplace_back();
        one.key = key_text_in(event->get_object(), "key");
        one.way = way;
        one.since = from_rfc3339(key_text_in(event->get_object(), "since")).value_or(Time{});
    };
    const auto* object = wait.json().if_object();
    if (object == nullptr) return all;
    look(*object, {});
    if (const auto* ways = object->if_contains("first_of"); ways != nullptr && ways->is_array())
        for (const auto& way : ways->get_array())
            if (way.is_object()) look(way.get_object(), key_text_in(way.get_object(), "name"));
    return all;
}

std::string result_key(std::string_view workflow, std::string_view step, std::string_view key) {
    const auto text = [](std::string_view one) { return Document::of(boost::json::string(one)); };
    // No event has this type: it would be the name of a step.
    return event_key("baton.result", {{"key", text(key)}, {"step", text(step)}, {"workflow", text(workflow)}});
}

std::optional<AwaitedResult> awaited_result(const Document& wait) {
    const auto* object = wait.json().if_object();
    const auto* asked = object != nullptr ? object->if_contains("result") : nullptr;
    if (asked == nullptr || !asked->is_object()) return std::nullopt;
    return AwaitedResult{std::string{key_text_in(asked->get_object(), "key")},
                         from_rfc3339(key_text_in(asked->get_object(), "since")).value_or(Time{})};
}

} // namespace baton::orchestrator::core
