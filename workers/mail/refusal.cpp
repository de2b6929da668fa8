// Reply codes (RFC 5321 §4.2) and enhanced codes (RFC 3463).
#include "workers/mail/refusal.hpp"

#include "workers/handler.hpp"
#include "workers/mail/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace baton::workers::mail {

namespace {

constexpr Duration pause_usual = std::chrono::seconds(60);
// Greylisting servers want to see the same letter again after about this.
constexpr Duration pause_of_greylisting = std::chrono::minutes(5);
constexpr Duration pause_min = std::chrono::seconds(5);
constexpr Duration pause_max = std::chrono::hours(1);

bool is_greylisting(std::string_view said) {
    const std::string text = lower(said);
    return text.find("greylist") != std::string::npos || text.find("graylist") != std::string::npos ||
           text.find("grey list") != std::string::npos;
}

// The middle of an enhanced code, "450 4.2.1 …": '2'; 0 without one.
char subject_of(int code, std::string_view said) {
    const std::string_view rest = said.substr(std::min<std::size_t>(4, said.size()));
    const bool has_one = rest.size() >= 5 && rest[0] == static_cast<char>('0' + code / 100) && rest[1] == '.' &&
                         std::isdigit(static_cast<unsigned char>(rest[2])) != 0 && rest[3] == '.';
    return has_one ? rest[2] : '\0';
}

// "try again in 300 seconds", "retry in 5 minutes": the number with its unit, if the server says one.
std::optional<Duration> pause_said(std::string_view said) {
    const std::string text = lower(said);
    for (std::size_t at = text.find(" in "); at != std::string::npos; at = text.find(" in ", at + 1)) {
        std::int64_t count = 0;
        const char* begin = text.data() + at + 4;
        const auto [stop, error] = std::from_chars(begin, text.data() + text.size(), count);
        if (error != std::errc{} || count < 0 || count > 100'000) continue;
        std::string_view unit(stop, static_cast<std::size_t>(text.data() + text.size() - stop));
        while (unit.starts_with(' ')) unit.remove_prefix(1);
        if (unit.starts_with("s")) return std::clamp<Duration>(std::chrono::seconds(count), pause_min, pause_max);
        if (unit.starts_with("min")) return std::clamp<Duration>(std::chrono::minutes(count), pause_min, pause_max);
    }
    return std::nullopt;
}

contract::Problem later(int code, std::string_view said) {
    const Duration pause = pause_said(said).value_or(is_greylisting(said) ? pause_of_greylisting : pause_usual);
    const std::string detail = fmt::format("SMTP: {}", said);
    return is_about_one_person(code, said) ? temporary("smtp_deferred", detail, pause)
                                           : not_now("smtp_deferred", detail, pause);
}

contract::Problem unsorted(Stage stage, int code, std::string_view said) {
    const std::string detail = fmt::format("SMTP: {}", said);
    const bool is_login = code == 530 || code == 534 || code == 535 || code == 538;
    if (stage == Stage::starttls) return configuration("tls", detail);
    // The same answer comes when the database behind the mail server is away; it is tried again anyway.
    if (is_login || (stage == Stage::login && code >= 500)) return configuration("smtp_login", detail);
    if (code < 500) return later(code, said);
    // It says so before it has heard of any letter.
    if (stage == Stage::connecting || stage == Stage::hello) return configuration("smtp_refused", detail);
    return permanent("smtp_refused", detail);
}

} // namespace

bool is_about_one_person(int code, std::string_view said) {
    return code < 500 && code != 421 && subject_of(code, said) == '2' && !is_greylisting(said);
}

contract::Problem problem_of_reply(Stage stage, int code, std::string_view said) {
    contract::Problem problem = unsorted(stage, code, said);
    problem.status = code;
    return problem;
}

} // namespace baton::workers::mail
