// Names: chosen and taken.
#include "orchestrator/definition/words.hpp"

#include "orchestrator/definition/key_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::orchestrator::definition {

namespace {

constexpr std::size_t id_bytes_max = 64;
constexpr std::size_t name_bytes_max = 100;

constexpr std::array<std::string_view, 10> roots{"input",  "vars",  "run",  "result", "error",
                                                 "errors", "secret", "event", "item", "index"};

constexpr std::array<std::string_view, 6> fields_of_run{
    "id", "workflow", "version", "started_at", "scheduled_at", "failed_steps"};

constexpr std::array<std::string_view, 2> fields_of_ending_run{"status", "error"};

constexpr std::array<std::string_view, 5> fields_of_error{"type", "title", "detail", "status", "data"};

constexpr std::array<std::string_view, 2> fields_of_cron_event{"scheduled_at", "trigger"};

constexpr std::array<std::string_view, 4> fields_of_webhook_event{"trigger", "headers", "query", "body"};

constexpr std::array<std::string_view, 4> fields_of_rpc_event{"trigger", "body", "user", "id"};

// Words of the expression language, which no name may hide.
constexpr std::array<std::string_view, 20> expression_words{
    "true",     "false",   "null",      "in",       "as",  "break",  "const",
    "continue", "else",    "for",       "function", "if",  "import", "let",
    "loop",     "package", "namespace", "return",   "var", "while"};

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// `what` it is to name: "an id".
std::string complaint_about(std::string_view name, std::string_view what) {
    const bool is_name =
        !name.empty() && is_letter(name.front()) &&
        std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
    if (!is_name && name.size() > 1 && is_digit(name.front()) && complaint_about(name.substr(1), what).empty())
        return fmt::format("'{}' cannot be {}, which begins with no digit", name, what);
    if (!is_name)
        return fmt::format("'{}' cannot be {}, which is letters, digits and _", name, what);
    if (name.size() > id_bytes_max)
        return fmt::format("{} has at most {} letters, this one {}", what, id_bytes_max, name.size());
    if (contains(roots, name) || contains(expression_words, name))
        return fmt::format("'{}' is a word of the language and cannot be {}", name, what);
    return {};
}

} // namespace

std::span<const std::string_view> root_names() {
    return roots;
}
std::span<const std::string_view> run_fields() {
    return fields_of_run;
}
std::span<const std::string_view> ending_run_fields() {
    return fields_of_ending_run;
}
std::span<const std::string_view> error_fields() {
    return fields_of_error;
}

std::span<const std::string_view> fields_of_trigger_event(std::string_view kind) {
    if (kind == "cron") return fields_of_cron_event;
    if (kind == "rpc") return fields_of_rpc_event;
    return kind == "webhook" ? fields_of_webhook_event : fields_of_kind(kind);
}

std::string complaint_about_id(std::string_view id) {
    return complaint_about(id, "an id");
}

std::string complaint_about_item(std::string_view name) {
    return name == "item" ? std::string{} : complaint_about(name, "the name of an item");
}

std::string complaint_about_name(std::string_view name) {
    const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; };
    if (name.empty() || !std::all_of(name.begin(), name.end(), fits) || name.front() == '.' ||
        name.front() == '-')
        return fmt::format("'{}' cannot be the name of a workflow, which is letters, digits, _ "
                           "- and .",
                           name);
    if (name.size() > name_bytes_max)
        return fmt::format("the name of a workflow has at most {} letters, this one {}",
                           name_bytes_max, name.size());
    return {};
}

} // namespace baton::orchestrator::definition
