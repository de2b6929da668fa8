#include "orchestrator/hook/sender.hpp"

#include "orchestrator/core/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <vector>

namespace baton::orchestrator::hook {

namespace {

using Scheme = core::WebhookTrigger::Scheme;

// Services that change a secret send two signatures; nobody sends more.
constexpr std::size_t signatures_max = 8;

std::string lower(std::string_view text) {
    std::string made(text);
    std::transform(made.begin(), made.end(), made.begin(), [](char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    });
    return made;
}

const std::string* find(const Headers& headers, std::string_view name) {
    const auto found = headers.find(lower(name));
    return found == headers.end() ? nullptr : &found->second;
}

// Of all secrets and all signatures, however early one fits.
bool fits_one(std::span<const std::string> secrets, std::string_view signed_text,
              const std::vector<std::string>& given) {
    bool fits = false;
    for (const std::string& secret : secrets) {
        if (secret.empty()) continue;
        const std::string wanted = core::to_hex(core::hmac_sha256(secret, signed_text));
        for (const std::string& one : given)
            fits = equal_in_constant_time(wanted, lower(one)) || fits;
    }
    return fits;
}

std::string complaint_about_time(std::string_view text, Duration tolerance, Time now) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const std::int64_t here = micros_of(now) / 1'000'000;
    // Beyond any year that a clock shows, the difference must not overflow either.
    constexpr std::int64_t sensible = 100'000'000'000;
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 0 ||
        seconds > sensible)
        return "its timestamp is none";
    const std::int64_t away = seconds > here ? seconds - here : here - seconds;
    if (std::chrono::seconds(away) > tolerance)
        return fmt::format("its timestamp is {} s away from this server's clock", away);
    return {};
}

std::string complaint_about_hmac(const core::WebhookTrigger& trigger,
                                 std::span<const std::string> secrets, const Headers& headers,
                                 std::string_view body) {
    const std::string* given = find(headers, trigger.header);
    if (given == nullptr) return fmt::format("it has no header {}", trigger.header);
    if (!given->starts_with(trigger.prefix))
        return fmt::format("its {} does not begin with '{}'", trigger.header, trigger.prefix);
    if (!fits_one(secrets, body, {given->substr(trigger.prefix.size())}))
        return "its signature does not fit";
    return {};
}

std::string complaint_about_slack(const core::WebhookTrigger& trigger,
                                  std::span<const std::string> secrets, const Headers& headers,
                                  std::string_view body, Time now) {
    const std::string* given = find(headers, "X-Slack-Signature");
    const std::string* time = find(headers, "X-Slack-Request-Timestamp");
    if (given == nullptr || time == nullptr)
        return "it has no X-Slack-Signature or no X-Slack-Request-Timestamp";
    if (auto complaint = complaint_about_time(*time, trigger.tolerance, now); !complaint.empty())
        return complaint;
    constexpr std::string_view version = "v0=";
    if (!given->starts_with(version)) return "its signature has another version than v0";
    if (!fits_one(secrets, fmt::format("v0:{}:{}", *time, body), {given->substr(version.size())}))
        return "its signature does not fit";
    return {};
}

std::string complaint_about_stripe(const core::WebhookTrigger& trigger,
                                   std::span<const std::string> secrets, const Headers& headers,
                                   std::string_view body, Time now) {
    const std::string* given = find(headers, "Stripe-Signature");
    if (given == nullptr) return "it has no Stripe-Signature";
    std::optional<std::string> time;
    std::vector<std::string> signatures;
    for (std::size_t at = 0; at <= given->size();) {
        const std::size_t end = std::min(given->find(',', at), given->size());
        std::string_view part = std::string_view(*given).substr(at, end - at);
        part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
        if (part.starts_with("t=")) {
            if (time) return "it has two timestamps";
            time = part.substr(2);
        }
        if (part.starts_with("v1=") && signatures.size() < signatures_max)
            signatures.emplace_back(part.substr(3));
        at = end + 1;
    }
    if (!time || signatures.empty()) return "its Stripe-Signature has no t= or no v1=";
    if (auto complaint = complaint_about_time(*time, trigger.tolerance, now); !complaint.empty())
        return complaint;
    if (!fits_one(secrets, fmt::format("{}.{}", *time, body), signatures))
        return "its signature does not fit";
    return {};
}

// Digests are compared, so that the time says nothing of the secret's length either.
std::string complaint_about_bearer(std::span<const std::string> secrets, const Headers& headers) {
    const std::string* given = find(headers, "Authorization");
    constexpr std::string_view scheme = "bearer ";
    if (given == nullptr ||
        !lower(std::string_view(*given).substr(0, scheme.size())).starts_with(scheme))
        return "it has no Authorization: Bearer";
    const std::string shown = core::sha256(std::string_view(*given).substr(scheme.size()));
    bool fits = false;
    for (const std::string& secret : secrets)
        fits = (!secret.empty() && equal_in_constant_time(core::sha256(secret), shown)) || fits;
    return fits ? "" : "its secret does not fit";
}

} // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    volatile unsigned char differs = 0; // nothing that a compiler could stop early
    for (std::size_t i = 0; i < a.size(); ++i)
        differs = static_cast<unsigned char>(
            differs | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
    return differs == 0;
}

std::string complaint_about_sender(const core::WebhookTrigger& trigger,
                                   std::span<const std::string> secrets, const Headers& headers,
                                   std::string_view body, Time now) {
    switch (trigger.scheme) {
    case Scheme::hmac:
        return complaint_about_hmac(trigger, secrets, headers, body);
    case Scheme::slack:
        return complaint_about_slack(trigger, secrets, headers, body, now);
    case Scheme::stripe:
        return complaint_about_stripe(trigger, secrets, headers, body, now);
    case Scheme::bearer:
        return complaint_about_bearer(secrets, headers);
    case Scheme::none:
        return {};
    }
    return "its scheme is not known";
}

Headers public_headers(const core::WebhookTrigger& trigger, const Headers& headers) {
    Headers kept = headers;
    for (const char* name : {"authorization", "proxy-authorization", "cookie", "x-slack-signature",
                             "stripe-signature"})
        kept.erase(name);
    if (!trigger.header.empty()) kept.erase(lower(trigger.header));
    return kept;
}

} // namespace baton::orchestrator::hook
