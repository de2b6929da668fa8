// See run_operations.hpp.
#include "web/run_operations.hpp"

#include "web/members.hpp"
#include "web/replies.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace baton::web {

namespace json = boost::json;
namespace core = orchestrator::core;

namespace {

constexpr std::array<RunOperation, 7> operations{{
    {"terminate"},
    {"pause", false, {}, false},
    {"resume", false, {}, false},
    {"skip", true},
    {"set-output", true, "output"},
    {"edit-input", true, "with"},
    {"rerun", true},
}};

Failure bad(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

Outcome<void> check(const RunOperation& operation, const json::object& body) {
    if (operation.has_step)
        BATON_TRY(operation.value.empty() ? check_members(body, {"step", "reason"})
                                          : check_members(body, {"step", "reason"}, {operation.value}));
    else
        BATON_TRY(check_members(body, {"reason"}));
    if (operation.has_step && text_member(body, "step").empty()) return bad("'step' must name a step, as baton show does");
    if (!operation.value.empty() && !body.contains(operation.value))
        return bad(fmt::format("'{}' must hold JSON", operation.value));
    const auto reason = text_member(body, "reason");
    if (operation.needs_reason && reason.empty()) return bad("'reason' must say why; the history keeps it");
    if (reason.size() > reason_bytes_max) return bad(too_long_a_reason);
    return boost::system::in_place_value;
}

} // namespace

std::span<const RunOperation> run_operations() { return operations; }

Outcome<core::Event> event_of(const RunOperation& operation, const json::object& body) {
    BATON_TRY(check(operation, body));
    std::string reason = text_member(body, "reason");
    std::string step = text_member(body, "step");
    const std::string_view name = operation.name;
    if (name == "terminate") return core::Event{core::RunFinished{core::RunStatus::cancelled, std::move(reason)}};
    if (name == "pause") return core::Event{core::PauseRequested{std::move(reason)}};
    if (name == "resume") return core::Event{core::ResumeRequested{std::move(reason)}};
    if (name == "skip") return core::Event{core::SkipRequested{std::move(step), std::move(reason)}};
    if (name == "rerun") return core::Event{core::RerunRequested{std::move(step), std::move(reason)}};
    core::Document value = core::Document::of(body.at(operation.value));
    if (name == "set-output")
        return core::Event{core::OutputGiven{std::move(step), std::move(value), std::move(reason)}};
    constexpr std::string_view undo = ":undo";
    const bool is_undo = step.ends_with(undo);
    if (is_undo) step.resize(step.size() - undo.size());
    return core::Event{core::InputEdited{std::move(step), is_undo, std::move(value), std::move(reason)}};
}

} // namespace baton::web
