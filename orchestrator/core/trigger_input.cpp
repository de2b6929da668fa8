// `input` of a trigger, filled in.
#include "orchestrator/core/trigger_input.hpp"

#include "orchestrator/core/data.hpp"

#include <boost/json/object.hpp>
#include <boost/system/errc.hpp>
#include <fmt/format.h>

namespace baton::orchestrator::core {

using expression::Value;

Value cron_event(const Trigger& trigger, Time nominal) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(nominal.time_since_epoch());
    const auto rest = nominal.time_since_epoch() - seconds;
    return Value::map({
        {Value::text(std::string_view{"trigger"}), Value::text(trigger.name)},
        {Value::text(std::string_view{"scheduled_at"}),
         Value::timestamp({seconds.count(), static_cast<std::int32_t>(rest.count() * 1000)})},
    });
}

Outcome<Document> trigger_input(const Workflow& workflow, const Trigger& trigger,
                                const Value& event) {
    if (!trigger.input) return Document::of(boost::json::object{});
    const expression::Lookup lookup = [&](std::string_view name) -> std::optional<Value> {
        if (name == "event") return event;
        if (name == "vars" && !workflow.vars.is_null())
            return Value::sharing_json(workflow.vars.shared_json());
        return std::nullopt;
    };
    auto filled = trigger.input->evaluate(lookup);
    if (!filled)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("input{} of the trigger '{}': {}", filled.error().pointer,
                                   trigger.name, filled.error().error.message)};
    return Document::of(std::move(*filled));
}

} // namespace baton::orchestrator::core
