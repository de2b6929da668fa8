#include "web/runs/dead_filter.hpp"

#include "base/rfc3339.hpp"
#include "base/utf8.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace baton::web {

namespace runtime = orchestrator::runtime;

namespace {

constexpr std::array<std::string_view, 4> dead_states{"open", "redriven", "dropped", "all"};
constexpr std::size_t condition_bytes_max = 1000;

Failure bad_filter(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

} // namespace

std::optional<Failure> fault_in(std::string_view name, std::string_view text,
                                std::size_t bytes_max) {
    if (text.size() > bytes_max)
        return bad_filter(fmt::format("'{}' may have {} bytes", name, bytes_max));
    if (!is_utf8(text) || text.find('\0') != std::string_view::npos)
        return bad_filter(fmt::format("'{}' must be UTF-8 without zero bytes", name));
    return std::nullopt;
}

Outcome<runtime::DeadLetterFilter>
dead_filter_of(const std::function<std::string(const char*)>& value_of) {
    runtime::DeadLetterFilter filter;
    const std::array<std::pair<const char*, std::string*>, 5> texts{
        {{"task", &filter.task},
         {"error_type", &filter.error_type},
         {"workflow", &filter.workflow},
         {"run", &filter.run_id},
         {"group", &filter.cause}}};
    for (const auto& [name, member] : texts) {
        *member = value_of(name);
        if (const auto fault = fault_in(name, *member, condition_bytes_max)) return *fault;
    }
    if (!filter.run_id.empty() && !is_run_id(filter.run_id))
        return bad_filter("'run' must be the whole id of a run, not '" + filter.run_id + "'");
    const std::array<std::pair<const char*, std::optional<Time>*>, 2> times{
        {{"since", &filter.since}, {"until", &filter.until}}};
    for (const auto& [name, member] : times) {
        const std::string given = value_of(name);
        if (given.empty()) continue;
        *member = from_rfc3339(given);
        if (!*member)
            return bad_filter(fmt::format("'{}' must be a time as 2026-01-31T12:00:00Z, not '{}'",
                                          name, as_utf8(given)));
    }
    if (filter.since && filter.until && *filter.since >= *filter.until)
        return bad_filter("'since' must be before 'until'");
    return filter;
}

Outcome<std::optional<runtime::DeadLetterState>> dead_state_of(const Request& request) {
    using State = std::optional<runtime::DeadLetterState>;
    const auto state = parameter(request, "state");
    if (state.empty() || state == "open") return State{runtime::DeadLetterState::open};
    if (state == "redriven") return State{runtime::DeadLetterState::redriven};
    if (state == "dropped") return State{runtime::DeadLetterState::dropped};
    if (state == "all") return State{};
    return bad_filter(no_such_word("state", state, dead_states));
}

} // namespace baton::web
