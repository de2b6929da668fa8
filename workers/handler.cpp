// Identities, problems and parameters.
#include "workers/handler.hpp"

#include "base/log.hpp"
#include "base/suggest.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::workers {

namespace json = boost::json;

namespace {
// An operator needs minutes; half a minute makes the tasks go on soon after.
constexpr Duration pause_of_configuration = std::chrono::seconds(30);
} // namespace

std::vector<std::string> Task::identities() const {
    std::vector<std::string> all;
    if (!request.idempotency_key.empty()) all.push_back("key " + request.idempotency_key);
    if (!request.run.empty())
        all.push_back(fmt::format("step {}/{}/{}", request.run, request.step, request.item));
    return all;
}

json::object schema_of(std::span<const std::string_view> names) {
    json::object properties;
    for (const std::string_view name : names) properties[name] = json::object{};
    return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Handler only_with(std::vector<std::string_view> names, Handler handler) {
    handler.parameters = schema_of(names);
    handler.perform = [names = std::move(names), perform = std::move(handler.perform)](const Task& task) -> Answer {
        Parameters parameters(task.with);
        parameters.only(names);
        if (parameters.is_bad()) return parameters.problem();
        return perform(task);
    };
    return handler;
}

contract::Problem permanent(std::string type, std::string detail, int status) {
    contract::Problem problem;
    problem.type = std::move(type);
    problem.detail = std::move(detail);
    problem.status = status;
    problem.retryable = false;
    return problem;
}

contract::Problem temporary(std::string type, std::string detail, std::optional<Duration> retry_after) {
    contract::Problem problem;
    problem.type = std::move(type);
    problem.detail = std::move(detail);
    problem.retry_after = retry_after;
    return problem;
}

contract::Problem not_now(std::string type, std::string detail, std::optional<Duration> retry_after) {
    contract::Problem problem = temporary(std::move(type), std::move(detail), retry_after);
    problem.is_attempt = false;
    return problem;
}

contract::Problem configuration(std::string type, std::string detail) {
    log::error("worker", "an operator must look at this", {{"type", type}, {"detail", detail}});
    contract::Problem problem = not_now(std::move(type), std::move(detail), pause_of_configuration);
    problem.title = "The worker's configuration is refused by the target";
    return problem;
}

void Parameters::complain(std::string complaint) {
    if (!complaints_.empty()) complaints_ += "; ";
    complaints_ += complaint;
}

void Parameters::only(std::span<const std::string_view> names) {
    for (const auto& member : with_) {
        const std::string_view name = member.key();
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        const auto hint = did_you_mean(name, names);
        complain(fmt::format("unknown parameter '{}'{}", name,
                             hint.empty() ? fmt::format(" (known are {})", fmt::join(names, ", ")) : hint));
    }
}

std::string Parameters::required_text(std::string_view name) {
    std::string value = text(name);
    if (value.empty() && !is_bad()) complain(fmt::format("'{}' is missing", name));
    return value;
}

std::string Parameters::text(std::string_view name, std::string_view otherwise) {
    const json::value* value = with_.if_contains(name);
    if (!value || value->is_null()) return std::string(otherwise);
    if (value->is_string()) return std::string(value->get_string());
    if (value->is_int64()) return std::to_string(value->get_int64());
    if (value->is_uint64()) return std::to_string(value->get_uint64());
    complain(fmt::format("'{}' must be text", name));
    return {};
}

bool Parameters::flag(std::string_view name, bool otherwise) {
    const json::value* value = with_.if_contains(name);
    if (!value || value->is_null()) return otherwise;
    if (value->is_bool()) return value->get_bool();
    complain(fmt::format("'{}' must be true or false", name));
    return otherwise;
}

std::int64_t Parameters::number(std::string_view name, std::int64_t otherwise) {
    const json::value* value = with_.if_contains(name);
    if (!value || value->is_null()) return otherwise;
    if (value->is_int64()) return value->get_int64();
    const std::string digits = value->is_string() ? std::string(value->get_string()) : "";
    std::int64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, number);
    if (!digits.empty() && error == std::errc{} && stop == end) return number;
    complain(fmt::format("'{}' must be a whole number", name));
    return otherwise;
}

json::object Parameters::object(std::string_view name) {
    const json::value* value = with_.if_contains(name);
    if (!value || value->is_null()) return {};
    if (value->is_object()) return value->get_object();
    complain(fmt::format("'{}' must be an object", name));
    return {};
}

bool Parameters::has(std::string_view name) const {
    const json::value* value = with_.if_contains(name);
    return value && !value->is_null();
}

std::vector<std::string> Parameters::texts(std::string_view name) {
    const json::value* value = with_.if_contains(name);
    if (!value || value->is_null()) return {};
    if (value->is_string()) return {std::string(value->get_string())};
    std::vector<std::string> all;
    if (value->is_array()) {
        for (const json::value& item : value->get_array())
            if (item.is_string())
                all.emplace_back(item.get_string());
            else if (item.is_int64())
                all.push_back(std::to_string(item.get_int64()));
        if (all.size() == value->get_array().size()) return all;
    }
    complain(fmt::format("'{}' must be a list of texts", name));
    return {};
}

contract::Problem Parameters::problem() const { return permanent("invalid_input", complaints_, 422); }

} // namespace baton::workers
