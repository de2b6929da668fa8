// Tasks and reports to and from AMQP properties and JSON bodies. Reading takes what other programs
// write: absent properties, numbers as text, foreign headers.
#include "contract/task_message.hpp"

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "base/overloaded.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>

namespace baton::contract {

namespace json = boost::json;

namespace {

constexpr std::uint8_t persistent = 2;

// Null text for what is not JSON.
std::optional<json::value> parse(std::string_view text) {
    auto value = read_json(text);
    if (!value) return std::nullopt;
    return std::move(*value);
}

std::string cut(std::string_view text) {
    return shortened(text, problem_text_bytes_max);
}

const json::value* member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

std::string header_text(const json::object& object, std::string_view name) {
    const json::value* value = member(object, name);
    if (!value) return {};
    return value->is_string() ? cut(value->get_string()) : cut(write_json(*value));
}

std::optional<double> header_number(const json::value& value) {
    if (value.is_int64()) return static_cast<double>(value.get_int64());
    if (value.is_uint64()) return static_cast<double>(value.get_uint64());
    if (value.is_double()) return value.get_double();
    if (value.is_string()) {
        const std::string text(value.get_string());
        char* end = nullptr;
        const double number = std::strtod(text.c_str(), &end);
        if (end != text.c_str() && *end == '\0') return number;
    }
    return std::nullopt;
}

// Headers, read whatever integer or text type the publisher chose.
class Headers {
public:
    explicit Headers(const amqp::Properties& properties)
        : table_(properties.headers ? &*properties.headers : nullptr) {}

    std::string text(std::string_view name) const {
        const amqp::FieldValue* value = table_ ? table_->find(name) : nullptr;
        if (!value) return {};
        if (const auto* text = value->get<std::string>()) return *text;
        if (const auto number = value->integer()) return std::to_string(*number);
        return {};
    }

    std::optional<std::int64_t> number(std::string_view name) const {
        const std::string digits = text(name);
        std::int64_t value = 0;
        const char* end = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), end, value);
        if (digits.empty() || error != std::errc{} || stop != end) return std::nullopt;
        return value;
    }

private:
    const amqp::FieldTable* table_;
};

void set_text(amqp::FieldTable& headers, std::string_view name, const std::string& text) {
    if (!text.empty()) headers.set(name, text);
}

constexpr std::int64_t millis_max = INT64_MAX / 1000;

std::optional<Duration> duration_from_millis(std::optional<std::int64_t> millis) {
    if (!millis || *millis < 0 || *millis > millis_max) return std::nullopt;
    return Duration{*millis * 1000};
}

std::string describe_bad_body(std::string_view body) {
    if (body.empty()) return "the body is empty, JSON was expected";
    const auto read = read_json(body);
    return fmt::format("the body is not JSON that can be used{}; it begins with '{}'",
                       read ? std::string() : " (" + read.error().detail + ")",
                       cut(body.substr(0, std::min<std::size_t>(body.size(), 80))));
}

Failed bad_report(std::string detail) {
    Problem problem;
    problem.type = std::string(bad_report_type);
    problem.title = "The worker's report cannot be read";
    problem.detail = std::move(detail);
    return Failed{std::move(problem)};
}

Problem problem_from(const json::value& value) {
    Problem problem;
    if (!value.is_object()) {
        problem.detail = value.is_string() ? cut(value.get_string()) : cut(write_json(value));
        return problem;
    }
    const json::object& object = value.get_object();
    if (std::string type = header_text(object, "type"); !type.empty()) problem.type = std::move(type);
    problem.title = header_text(object, "title");
    problem.detail = header_text(object, "detail");
    if (const json::value* status = member(object, "status")) {
        const double number = header_number(*status).value_or(0);
        if (number >= 100 && number <= 999) problem.status = static_cast<int>(number);
    }
    if (const json::value* retryable = member(object, "retryable"))
        problem.retryable = retryable->is_bool() ? retryable->get_bool() : true;
    if (const json::value* attempt = member(object, "attempt"))
        problem.is_attempt = attempt->is_bool() ? attempt->get_bool() : true;
    if (const json::value* after = member(object, "retry_after")) {
        const std::optional<double> seconds = header_number(*after);
        // A year is more than any target means; it also keeps the sum with a clock in range.
        if (seconds && *seconds >= 0 && std::isfinite(*seconds))
            problem.retry_after =
                Duration{static_cast<std::int64_t>(std::min(*seconds, 366.0 * 86400) * 1e6)};
    }
    if (const json::value* data = member(object, "data")) {
        problem.data = write_json(*data);
        return problem;
    }
    // RFC 9457 puts own fields beside the known ones; they are kept as data.
    json::object rest;
    for (const auto& pair : object) {
        const std::string_view key = pair.key();
        constexpr std::array known = {"type", "title", "detail", "status", "data", "retryable",
                                      "retry_after", "attempt"};
        if (std::find(known.begin(), known.end(), key) == known.end()) rest[key] = pair.value();
    }
    if (!rest.empty()) problem.data = write_json(rest);
    return problem;
}

// Takes `digits` digits and the character behind them, if there is one to be; nothing otherwise.
std::optional<int> take_number(std::string_view& text, std::size_t digits, char behind) {
    int value = 0;
    if (text.size() < digits) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc{} || end != text.data() + digits || value < 0) return std::nullopt;
    text.remove_prefix(digits);
    if (behind == '\0') return value;
    if (!text.starts_with(behind)) return std::nullopt;
    text.remove_prefix(1);
    return value;
}

// Micros east of Greenwich: "Z", "+01:00".
std::optional<std::int64_t> take_offset(std::string_view text) {
    if (text == "Z" || text == "z") return 0;
    if (!text.starts_with('+') && !text.starts_with('-')) return std::nullopt;
    const std::int64_t sign = text.front() == '+' ? 1 : -1;
    text.remove_prefix(1);
    const auto hours = take_number(text, 2, ':');
    const auto minutes = take_number(text, 2, '\0');
    if (!hours || !minutes || !text.empty()) return std::nullopt;
    return sign * (*hours * 3600LL + *minutes * 60LL) * 1'000'000;
}

// "2026-01-31T12:04:10.5+01:00".
std::optional<Time> time_from_rfc3339(std::string_view text) {
    const auto year = take_number(text, 4, '-');
    const auto month = take_number(text, 2, '-');
    const auto day = take_number(text, 2, 'T');
    const auto hour = take_number(text, 2, ':');
    const auto minute = take_number(text, 2, ':');
    const auto second = take_number(text, 2, '\0');
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    std::int64_t micros = 0;
    if (text.starts_with('.')) {
        std::int64_t unit = 100'000;
        text.remove_prefix(1);
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; unit /= 10) {
            micros += (text.front() - '0') * unit;
            text.remove_prefix(1);
        }
    }
    const auto offset = take_offset(text);
    const std::chrono::year_month_day date{std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    // 60 is a leap second.
    if (!offset || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    const Duration within_day = std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                                std::chrono::seconds(*second) + Duration{micros};
    return Time{std::chrono::sys_days(date)} + within_day - Duration{*offset};
}

// RFC 3339 text, or seconds since the epoch.
std::optional<Time> time_from(const json::value& value) {
    if (value.is_string()) return time_from_rfc3339(value.get_string());
    const std::optional<double> seconds = header_number(value);
    if (!seconds || !(*seconds >= 0) || *seconds > 1e11) return std::nullopt;
    return time_from_micros(static_cast<std::int64_t>(*seconds * 1e6));
}

Report report_from(std::string_view kind, std::string_view body) {
    std::optional<json::value> value = parse(body);
    // Only a result or a problem must say something; the others are complete by their kind.
    if (!value && kind != "completed" && kind != "failed" && body.empty()) value = json::object{};
    if (!value) return bad_report(describe_bad_body(body));
    const json::object nothing;
    const json::object& object = value->is_object() ? value->get_object() : nothing;
    if (kind == "completed") return Completed{std::string(body)};
    if (kind == "failed") return Failed{problem_from(*value)};
    if (kind == "started") return Started{header_text(object, "worker")};
    if (kind == "heartbeat") return Heartbeat{body.empty() ? "{}" : std::string(body)};
    if (kind == "cancelled") return Cancelled{};
    if (kind == "deferred") {
        const json::value* until = member(object, "until");
        return Deferred{until ? time_from(*until) : std::nullopt};
    }
    if (kind == "log") {
        LogLine line;
        if (std::string level = header_text(object, "level"); !level.empty()) line.level = level;
        line.text = value->is_string() ? cut(value->get_string()) : header_text(object, "text");
        return line;
    }
    return bad_report(fmt::format("the property type is '{}'; known are completed, failed, started, "
                                  "heartbeat, deferred, cancelled, log",
                                  cut(kind)));
}

} // namespace

std::string_view kind_of(const Report& report) {
    return std::visit(Overloaded{[](const Completed&) { return std::string_view("completed"); },
                                 [](const Failed&) { return std::string_view("failed"); },
                                 [](const Started&) { return std::string_view("started"); },
                                 [](const Heartbeat&) { return std::string_view("heartbeat"); },
                                 [](const Deferred&) { return std::string_view("deferred"); },
                                 [](const Cancelled&) { return std::string_view("cancelled"); },
                                 [](const LogLine&) { return std::string_view("log"); }},
                      report);
}

std::string to_json(const Problem& problem) {
    json::object object{{"type", problem.type}};
    if (!problem.title.empty()) object["title"] = cut(problem.title);
    if (!problem.detail.empty()) object["detail"] = cut(problem.detail);
    if (problem.status != 0) object["status"] = problem.status;
    if (!problem.data.empty()) {
        const std::optional<json::value> data = parse(problem.data);
        object["data"] = data ? *data : json::value(problem.data);
    }
    object["retryable"] = problem.retryable;
    if (problem.retry_after)
        object["retry_after"] = static_cast<double>(problem.retry_after->count()) / 1e6;
    if (!problem.is_attempt) object["attempt"] = false;
    return write_json(object);
}

Problem problem_from_json(std::string_view text) {
    const std::optional<json::value> value = parse(text);
    if (!value) {
        Problem problem;
        problem.detail = cut(text);
        return problem;
    }
    return problem_from(*value);
}

Message encode(const TaskRequest& request) {
    Message message;
    message.body = request.with.empty() ? "{}" : request.with;
    amqp::Properties& properties = message.properties;
    properties.content_type = "application/json";
    properties.type = "task";
    properties.delivery_mode = persistent;
    properties.reply_to = request.reply_to;
    if (!request.token.empty()) {
        properties.correlation_id = request.token;
        properties.message_id = request.token;
    }
    properties.priority = request.priority;
    if (request.starts_within)
        properties.expiration = std::to_string(std::max<std::int64_t>(
            0, std::chrono::ceil<std::chrono::milliseconds>(*request.starts_within).count()));
    amqp::FieldTable headers;
    set_text(headers, "baton-workflow", request.workflow);
    if (request.version != 0) headers.set("baton-version", request.version);
    set_text(headers, "baton-run", request.run);
    set_text(headers, "baton-step", request.step);
    set_text(headers, "baton-item", request.item);
    headers.set("baton-attempt", std::int64_t{request.attempt});
    if (request.max_attempts > 0)
        headers.set("baton-max-attempts", std::int64_t{request.max_attempts});
    set_text(headers, "baton-idempotency-key", request.idempotency_key);
    if (request.deadline) headers.set("baton-deadline", millis_of(*request.deadline));
    if (request.timeout)
        headers.set("baton-timeout",
                    std::chrono::ceil<std::chrono::milliseconds>(*request.timeout).count());
    if (request.heartbeat)
        headers.set("baton-heartbeat",
                    std::chrono::ceil<std::chrono::milliseconds>(*request.heartbeat).count());
    set_text(headers, "baton-last-progress", request.last_progress);
    set_text(headers, "traceparent", request.traceparent);
    set_text(headers, "tracestate", request.tracestate);
    properties.headers = std::move(headers);
    return message;
}

Outcome<TaskRequest> decode_task(std::string_view routing_key, const amqp::Properties& properties,
                                 std::string_view body) {
    const auto refuse = [](std::string detail) {
        return Failure{make_error_code(boost::system::errc::bad_message), std::move(detail)};
    };
    if (body.size() > body_bytes_max)
        return refuse(fmt::format("the body has {} bytes, at most {} are taken", body.size(),
                                  body_bytes_max));
    if (body.empty() && Headers(properties).text("baton-blob").empty() == false)
        return refuse("the parameters are in a blob (header baton-blob), which this worker cannot "
                      "fetch");
    // What a workflow makes for a task may be deeper than what came in from outside.
    if (!body.empty() && !read_json(body, json_of_our_own)) return refuse(describe_bad_body(body));
    TaskRequest request;
    request.task = routing_key;
    request.with = body.empty() ? "{}" : std::string(body);
    request.token = properties.correlation_id.value_or("");
    request.reply_to = properties.reply_to.value_or("");
    request.priority = properties.priority;
    const Headers headers(properties);
    if (properties.expiration) {
        std::int64_t millis = 0;
        const std::string& text = *properties.expiration;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), millis);
        if (error == std::errc{} && end == text.data() + text.size())
            request.starts_within = duration_from_millis(millis);
    }
    request.workflow = headers.text("baton-workflow");
    request.version = headers.number("baton-version").value_or(0);
    request.run = headers.text("baton-run");
    request.step = headers.text("baton-step");
    request.item = headers.text("baton-item");
    const auto small = [&headers](std::string_view name, int otherwise) {
        const std::int64_t number = headers.number(name).value_or(otherwise);
        return static_cast<int>(std::clamp<std::int64_t>(number, 0, 1'000'000'000));
    };
    request.attempt = std::max(1, small("baton-attempt", 1));
    request.max_attempts = small("baton-max-attempts", 0);
    request.idempotency_key = headers.text("baton-idempotency-key");
    if (const auto deadline = duration_from_millis(headers.number("baton-deadline")))
        request.deadline = Time{*deadline};
    const auto timeout = duration_from_millis(headers.number("baton-timeout"));
    if (timeout && timeout->count() > 0) request.timeout = timeout;
    const auto heartbeat = duration_from_millis(headers.number("baton-heartbeat"));
    if (heartbeat && heartbeat->count() > 0) request.heartbeat = heartbeat;
    request.last_progress = headers.text("baton-last-progress");
    request.traceparent = headers.text("traceparent");
    request.tracestate = headers.text("tracestate");
    return request;
}

Message encode(const TaskReport& report) {
    Message message;
    message.body = std::visit(
        Overloaded{
            [](const Completed& it) { return it.result.empty() ? std::string("null") : it.result; },
            [](const Failed& it) { return to_json(it.problem); },
            [](const Started& it) { return write_json(json::object{{"worker", it.worker}}); },
            [](const Heartbeat& it) { return it.progress.empty() ? std::string("{}") : it.progress; },
            [](const Deferred& it) {
                json::object body;
                if (it.until) body["until"] = to_rfc3339(*it.until);
                return write_json(body);
            },
            [](const Cancelled&) { return std::string("{}"); },
            [](const LogLine& it) {
                return write_json(json::object{{"level", it.level}, {"text", it.text}});
            }},
        report.report);
    message.properties.content_type = "application/json";
    message.properties.type = std::string(kind_of(report.report));
    message.properties.delivery_mode = persistent;
    if (!report.token.empty()) message.properties.correlation_id = report.token;
    return message;
}

TaskReport decode_report(const amqp::Properties& properties, std::string_view body) {
    TaskReport report;
    report.token = properties.correlation_id.value_or("");
    if (body.size() > body_bytes_max) {
        report.report = bad_report(fmt::format("the body has {} bytes, at most {} are taken",
                                               body.size(), body_bytes_max));
        return report;
    }
    const std::string kind = properties.type.value_or("");
    report.report = report_from(kind.empty() ? "completed" : kind, body);
    return report;
}

} // namespace baton::contract
