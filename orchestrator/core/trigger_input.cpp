// Occasions of triggers.
#include "orchestrator/core/trigger_input.hpp"

#include "orchestrator/core/data.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/object.hpp>
#include <boost/system/errc.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace baton::orchestrator::core {

using expression::Value;

namespace {

Failure bad(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

expression::Lookup reading(const Workflow& workflow, const Value& event) {
    return [&](std::string_view name) -> std::optional<Value> {
        if (name == "event") return event;
        if (name == "vars" && !workflow.vars.is_null())
            return Value::sharing_json(workflow.vars.shared_json());
        return std::nullopt;
    };
}

// The first word of a topic, which is cut off.
std::string_view take_word(std::string_view& topic) {
    const std::size_t end = std::min(topic.find('.'), topic.size());
    const std::string_view word = topic.substr(0, end);
    topic.remove_prefix(std::min(end + 1, topic.size()));
    return word;
}

} // namespace

Value cron_event(const Trigger& trigger, Time nominal) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(nominal.time_since_epoch());
    const auto rest = nominal.time_since_epoch() - seconds;
    return Value::map({
        {Value::text(std::string_view{"trigger"}), Value::text(trigger.name)},
        {Value::text(std::string_view{"scheduled_at"}),
         Value::timestamp({seconds.count(), static_cast<std::int32_t>(rest.count() * 1000)})},
    });
}

Outcome<bool> is_meant(const Workflow& workflow, const Trigger& trigger, const Value& event) {
    if (!trigger.when) return true;
    const auto value = expression::evaluate(*trigger.when, reading(workflow, event));
    if (!value) return bad("when: " + value.error().message);
    if (value->kind() != expression::Kind::boolean)
        return bad("when: it gives neither true nor false");
    return value->as_boolean();
}

// A # that took too little takes one word more: the last one is enough, as with stars in names of
// files.
bool topic_fits(std::string_view pattern, std::string_view type) {
    std::vector<std::string_view> wanted, words;
    while (!pattern.empty())
        wanted.push_back(take_word(pattern));
    while (!type.empty())
        words.push_back(take_word(type));
    constexpr std::size_t none = SIZE_MAX;
    std::size_t hash = none, taken = 0, at = 0;
    for (std::size_t word = 0; word < words.size();) {
        if (at < wanted.size() && wanted[at] == "#") {
            hash = at++;
            taken = word;
        } else if (at < wanted.size() && (wanted[at] == "*" || wanted[at] == words[word])) {
            ++at;
            ++word;
        } else if (hash != none) {
            at = hash + 1;
            word = ++taken;
        } else {
            return false;
        }
    }
    while (at < wanted.size() && wanted[at] == "#")
        ++at;
    return at == wanted.size();
}

bool is_for(const EventTrigger& trigger, std::string_view type, std::string_view source) {
    return topic_fits(trigger.type, type) && (trigger.source.empty() || trigger.source == source);
}

bool is_own_request(std::string_view rpc) {
    return rpc.starts_with("run.") || rpc.starts_with("workflow.");
}

// By a digest, since an id may be of any length.
std::string start_key_of_event(const Trigger& trigger, std::string_view source,
                               std::string_view id) {
    std::string name(source);
    name += '\0';
    name += id;
    return fmt::format("event/{}/{}", trigger.name, to_hex(sha256(name)));
}

Outcome<Document> trigger_input(const Workflow& workflow, const Trigger& trigger,
                                const Value& event) {
    if (!trigger.input) return Document::of(boost::json::object{});
    auto filled = trigger.input->evaluate(reading(workflow, event));
    if (!filled)
        return bad(fmt::format("input{} of the trigger '{}': {}", filled.error().pointer,
                               trigger.name, filled.error().error.message));
    return Document::of(std::move(*filled));
}

} // namespace baton::orchestrator::core
