// See run_operations.hpp.
#include "web/runs/run_operations.hpp"

#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace baton::web {

namespace json = boost::json;
namespace core = orchestrator::core;

namespace {

constexpr std::array<RunOperation, 14> operations{{
    {"cancel", false, {}, false},
    {"retry", false, {}, false},
    {"skip-undo", true},
    {"finish"},
    {"terminate"},
    {"pause", false, {}, false},
    {"resume", false, {}, false},
    {"skip", true},
    {"set-output", true, "output"},
    {"edit-input", true, "with"},
    {"rerun", true},
    {"signal", false, {}, false},
    {"approve", true, {}, false, true},
    {"reject", true, {}, false, true},
}};
constexpr std::array<std::string_view, 4> final_statuses{"completed", "failed", "cancelled",
                                                         "compensated"};

Failure bad_operation(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

Outcome<void> check(const RunOperation& operation, const json::object& body) {
    if (operation.name == "retry")
        BATON_TRY(check_members(body, {}, {"now"}));
    else if (operation.name == "finish")
        BATON_TRY(check_members(body, {"status", "reason"}));
    else if (operation.has_step)
        BATON_TRY(operation.value.empty()
                      ? check_members(body, {"step", "reason"})
                      : check_members(body, {"step", "reason"}, {operation.value}));
    else
        BATON_TRY(check_members(body, {"reason"}));
    if (operation.has_step && text_member(body, "step").empty())
        return bad_operation("'step' must name a step, as baton show does");
    if (!operation.value.empty() && !body.contains(operation.value))
        return bad_operation(fmt::format("'{}' must hold JSON", operation.value));
    const auto reason = text_member(body, "reason");
    if (operation.needs_reason && reason.empty())
        return bad_operation("'reason' must say why; the history keeps it");
    if (reason.size() > reason_bytes_max) return bad_operation(too_long_a_reason);
    return boost::system::in_place_value;
}

core::Document value_in(const json::object& body, std::string_view name) {
    const auto* value = body.if_contains(name);
    return value == nullptr ? core::Document{} : core::Document::of(*value);
}

// Told twice under one id it counts once.
Outcome<core::Event> signal_of(const json::object& body, const Asker& asker) {
    BATON_TRY(check_members(body, {"name", "id"}, {"data"}));
    core::SignalSent signal{text_member(body, "name"), text_member(body, "id"),
                            value_in(body, "data"), asker.user};
    if (signal.name.empty()) return bad_operation("'name' must name the signal");
    if (signal.id.size() > reason_bytes_max) return bad_operation("'id' may have 4096 bytes");
    return core::Event{std::move(signal)};
}

Outcome<core::Event> decision_of(bool approves, const json::object& body, const Asker& asker) {
    BATON_TRY(check_members(body, {"step", "comment"}, {"form"}));
    core::ApprovalDecided decision{
        text_member(body, "step"), approves,   text_member(body, "comment"),
        value_in(body, "form"),    asker.user, asker.roles,
        asker.may_operate};
    if (decision.step.empty()) return bad_operation("'step' must name a step, as baton show does");
    if (decision.comment.size() > reason_bytes_max)
        return bad_operation("'comment' may have 4096 bytes");
    return core::Event{std::move(decision)};
}

Outcome<core::Event> retry_of(const json::object& body) {
    const auto* now = body.if_contains("now");
    if (now != nullptr && !now->is_bool()) return bad_operation("'now' must be true or false");
    return core::Event{core::RunRetried{now != nullptr && now->get_bool()}};
}

Outcome<core::Event> finish_of(const json::object& body, std::string reason) {
    const auto status = core::run_status_from(text_member(body, "status"));
    if (!status)
        return bad_operation(no_such_word("status", text_member(body, "status"), final_statuses));
    return core::Event{core::RunFinished{*status, std::move(reason)}};
}

} // namespace

std::span<const RunOperation> run_operations() {
    return operations;
}

Outcome<core::Event> event_of(const RunOperation& operation, const json::object& body,
                              const Asker& asker) {
    if (operation.name == "signal") return signal_of(body, asker);
    if (operation.is_message) return decision_of(operation.name == "approve", body, asker);
    BATON_TRY(check(operation, body));
    std::string reason = text_member(body, "reason");
    std::string step = text_member(body, "step");
    const std::string_view name = operation.name;
    if (name == "cancel") return core::Event{core::CancelRequested{std::move(reason)}};
    if (name == "retry") return retry_of(body);
    if (name == "skip-undo")
        return core::Event{core::UndoSkipped{std::move(step), std::move(reason)}};
    if (name == "finish") return finish_of(body, std::move(reason));
    if (name == "terminate")
        return core::Event{core::RunFinished{core::RunStatus::cancelled, std::move(reason)}};
    if (name == "pause") return core::Event{core::PauseRequested{std::move(reason)}};
    if (name == "resume") return core::Event{core::ResumeRequested{std::move(reason)}};
    if (name == "skip") return core::Event{core::SkipRequested{std::move(step), std::move(reason)}};
    if (name == "rerun")
        return core::Event{core::RerunRequested{std::move(step), std::move(reason)}};
    core::Document value = core::Document::of(body.at(operation.value));
    if (name == "set-output")
        return core::Event{core::OutputGiven{std::move(step), std::move(value), std::move(reason)}};
    constexpr std::string_view undo = ":undo";
    const bool is_undo = step.ends_with(undo);
    if (is_undo) step.resize(step.size() - undo.size());
    return core::Event{
        core::InputEdited{std::move(step), is_undo, std::move(value), std::move(reason)}};
}

const RunOperation* find_operation(std::string_view name) {
    const auto found = std::ranges::find(operations, name, &RunOperation::name);
    return found == operations.end() ? nullptr : &*found;
}

} // namespace baton::web
