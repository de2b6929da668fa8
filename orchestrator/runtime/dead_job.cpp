// Filters as JSON, rates as intervals.
#include "orchestrator/runtime/dead_job.hpp"

#include "base/rfc3339.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace baton::orchestrator::runtime {

namespace json = boost::json;

namespace {

// Members of the JSON that are text.
constexpr std::array<std::pair<std::string_view, std::string DeadLetterFilter::*>, 5> job_texts{
    {{"task", &DeadLetterFilter::task},
     {"error_type", &DeadLetterFilter::error_type},
     {"workflow", &DeadLetterFilter::workflow},
     {"run", &DeadLetterFilter::run_id},
     {"group", &DeadLetterFilter::cause}}};

constexpr std::array<std::pair<std::string_view, Duration>, 3> units{
    {{"s", std::chrono::seconds(1)}, {"m", std::chrono::minutes(1)}, {"h", std::chrono::hours(1)}}};

} // namespace

std::string filter_text(const DeadLetterFilter& filter) {
    json::object out;
    for (const auto& [name, member] : job_texts)
        if (!(filter.*member).empty()) out[name] = filter.*member;
    if (filter.since) out["since"] = to_rfc3339(*filter.since);
    if (filter.until) out["until"] = to_rfc3339(*filter.until);
    return json::serialize(out);
}

DeadLetterFilter filter_from(std::string_view text) {
    DeadLetterFilter nobody;
    nobody.cause = "damaged";
    const auto document = core::Document::parse_stored(std::string(text));
    const auto* object = document ? document->json().if_object() : nullptr;
    if (object == nullptr) return nobody;
    DeadLetterFilter filter;
    for (const auto& [key, value] : *object) {
        if (!value.is_string()) return nobody;
        const std::string given(value.get_string());
        bool is_known = false;
        for (const auto& [name, member] : job_texts)
            if (name == std::string_view(key)) filter.*member = given, is_known = true;
        if (key == "since") filter.since = from_rfc3339(given), is_known = filter.since.has_value();
        if (key == "until") filter.until = from_rfc3339(given), is_known = filter.until.has_value();
        if (!is_known) return nobody; // a condition that is dropped would send more than was asked for
    }
    return filter;
}

bool is_empty(const DeadLetterFilter& filter) {
    return filter_text(filter) == "{}";
}

Outcome<Duration> interval_of(std::string_view rate) {
    const Failure bad{make_error_code(boost::system::errc::invalid_argument),
                      fmt::format("a rate is a whole number from 1 with /s, /m or /h, at most 1000/s, not '{}'", rate)};
    const std::size_t slash = rate.find('/');
    if (slash == std::string_view::npos) return bad;
    const std::string_view number = rate.substr(0, slash);
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (error != std::errc{} || end != number.data() + number.size() || count == 0) return bad;
    for (const auto& [unit, length] : units) {
        if (rate.substr(slash + 1) != unit) continue;
        const Duration interval = length / count;
        if (interval < std::chrono::milliseconds(1)) return bad;
        return interval;
    }
    return bad;
}

std::string rate_text(Duration interval) {
    if (interval.count() <= 0) return {};
    for (const auto& [unit, length] : units) {
        const auto count = (length + interval / 2) / interval;
        if (count >= 1 && length / count == interval) return fmt::format("{}/{}", count, unit);
    }
    return fmt::format("one in {} ms", interval.count() / 1000);
}

std::string_view word_of(DeadJobState state) {
    switch (state) {
    case DeadJobState::running: return "running";
    case DeadJobState::done: return "done";
    case DeadJobState::cancelled: return "cancelled";
    case DeadJobState::stopped: return "stopped";
    }
    return "done";
}

std::string with_body(const std::string& message, std::string_view body) {
    const auto document = core::Document::parse_stored(message);
    if (!document || !document->json().is_object()) return message;
    json::object changed = document->json().get_object();
    changed.erase("body");
    changed.erase("body_hex");
    if (is_utf8(body) && body.find('\0') == std::string_view::npos)
        changed["body"] = json::string_view{body.data(), body.size()};
    else
        changed["body_hex"] = core::to_hex(body);
    return json::serialize(changed);
}

} // namespace baton::orchestrator::runtime
