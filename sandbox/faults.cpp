// Reading and spending faults.
#include "sandbox/faults.hpp"

#include "base/suggest.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <set>
#include <utility>

namespace baton::sandbox {

namespace json = boost::json;

namespace {

constexpr std::array<std::pair<std::string_view, Fault::Mode>, 6> modes = {{
    {"fail", Fault::Mode::fail},
    {"delay", Fault::Mode::delay},
    {"drop", Fault::Mode::drop},
    {"lost_answer", Fault::Mode::lost_answer},
    {"garbage", Fault::Mode::garbage},
    {"race", Fault::Mode::race},
}};

// Bounds keep a typing error from stopping a demo for a day.
constexpr std::int64_t delay_ms_max = 600'000;

Failure bad(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

Outcome<std::int64_t> number_in(const std::string& name, std::string_view key,
                                const json::value& value, std::int64_t low, std::int64_t high) {
    if (!value.is_int64() || value.get_int64() < low || value.get_int64() > high)
        return bad(fmt::format("{}.{} must be a whole number from {} to {}", name, key, low, high));
    return value.get_int64();
}

Outcome<Fault> read_fault(const std::string& name, const json::object& object) {
    Fault fault;
    bool mode_said = false;
    for (const auto& member : object) {
        const std::string_view key = member.key();
        const json::value& value = member.value();
        if (key == "mode" || key == "error") {
            if (!value.is_string()) return bad(fmt::format("{}.{} must be text", name, key));
            const std::string_view text = value.get_string();
            if (key == "error") {
                fault.error = text;
                continue;
            }
            mode_said = true;
            const auto* known = modes.begin();
            while (known != modes.end() && known->first != text) ++known;
            if (known == modes.end())
                return bad(fmt::format("{}.mode '{}' is none of fail, delay, drop, lost_answer, "
                                       "garbage, race",
                                       name, text));
            fault.mode = known->second;
        } else if (key == "status") {
            BATON_ASSIGN(const std::int64_t status, number_in(name, key, value, 100, 599));
            fault.status = static_cast<int>(status);
        } else if (key == "retry_after") {
            BATON_ASSIGN(const std::int64_t seconds, number_in(name, key, value, 0, 3600));
            fault.retry_after_seconds = static_cast<int>(seconds);
        } else if (key == "delay_ms") {
            BATON_ASSIGN(const std::int64_t delay, number_in(name, key, value, 0, delay_ms_max));
            fault.delay = std::chrono::milliseconds(delay);
        } else if (key == "times") {
            if (value.is_null()) continue;
            BATON_ASSIGN(const std::int64_t times, number_in(name, key, value, 1, 1'000'000'000));
            fault.times_left = static_cast<int>(times);
        } else {
            return bad(fmt::format("{}.{} is unknown; known are mode, error, status, retry_after, "
                                   "delay_ms, times",
                                   name, key));
        }
    }
    if (!mode_said && fault.error.empty() && fault.status == 0 && fault.delay.count() > 0)
        fault.mode = Fault::Mode::delay;
    if (fault.mode == Fault::Mode::fail && fault.error.empty() && fault.status == 0)
        fault.status = 500;
    return fault;
}

std::string_view name_of(Fault::Mode mode) {
    for (const auto& [name, known] : modes)
        if (known == mode) return name;
    return "fail";
}

} // namespace

namespace {

// The operations of the same family, or all families: what somebody who mistyped looks for.
std::string known_like(std::string_view name, const std::vector<std::string_view>& operations) {
    const std::string family(name.substr(0, name.find('.')));
    std::set<std::string> relatives;
    std::set<std::string> families;
    for (const std::string_view operation : operations) {
        const std::string theirs(operation.substr(0, operation.find('.')));
        families.insert(theirs + ".*");
        if (theirs == family) relatives.emplace(operation);
    }
    if (relatives.empty()) return fmt::format("known are {}, and each call by its name", fmt::join(families, ", "));
    return fmt::format("known are {}, {}.*", fmt::join(relatives, ", "), family);
}

Outcome<void> check_name(std::string_view name, const std::vector<std::string_view>& operations) {
    if (name == "*") return {};
    for (const std::string_view operation : operations) {
        if (name == operation) return {};
        if (name.ends_with(".*") && operation.starts_with(name.substr(0, name.size() - 1))) return {};
    }
    return bad(fmt::format("the sandbox has no call '{}'{}; {}", name, did_you_mean(name, operations),
                           known_like(name, operations)));
}

} // namespace

Outcome<void> Faults::set(std::string_view text, const std::vector<std::string_view>& operations) {
    ErrorCode code;
    const json::value value = json::parse(text, code);
    if (code || !value.is_object())
        return bad("the body must be a JSON object: {\"slack.invite\": {\"error\": \"fatal_error\"}}");
    auto next = faults_;
    for (const auto& member : value.get_object()) {
        const std::string name(member.key());
        BATON_TRY(check_name(name, operations));
        if (member.value().is_null()) {
            next.erase(name);
            continue;
        }
        if (!member.value().is_object())
            return bad(fmt::format("{} must be an object or null", name));
        BATON_ASSIGN(Fault fault, read_fault(name, member.value().get_object()));
        next.insert_or_assign(name, std::move(fault));
    }
    faults_ = std::move(next);
    return {};
}

std::optional<Fault> Faults::take(std::string_view operation) {
    const std::string family = std::string(operation.substr(0, operation.find('.'))) + ".*";
    for (const std::string_view name : {operation, std::string_view(family), std::string_view("*")}) {
        const auto found = faults_.find(name);
        if (found == faults_.end()) continue;
        const Fault fault = found->second;
        if (found->second.times_left && --*found->second.times_left == 0) faults_.erase(found);
        return fault;
    }
    return std::nullopt;
}

std::string Faults::to_json() const {
    json::object all;
    for (const auto& [name, fault] : faults_) {
        json::object one{{"mode", name_of(fault.mode)}};
        if (!fault.error.empty()) one["error"] = fault.error;
        if (fault.status != 0) one["status"] = fault.status;
        if (fault.retry_after_seconds != 0) one["retry_after"] = fault.retry_after_seconds;
        if (fault.delay.count() != 0) one["delay_ms"] = fault.delay.count();
        one["times"] = fault.times_left ? json::value(*fault.times_left) : json::value(nullptr);
        all[name] = std::move(one);
    }
    return json::serialize(all);
}

} // namespace baton::sandbox
