#include "web/access/sessions.hpp"

#include "base/random.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::web {

namespace {

constexpr std::string_view cookie_name = "baton-session";
// A browser takes a cookie of such a name from this very host alone, and under TLS alone.
constexpr std::string_view host_prefix = "__Host-";
constexpr std::size_t name_length = 43; // 256 bits

} // namespace

std::optional<std::string> Sessions::begin(std::string user, std::string mark, Time now,
                                           std::string address) {
    drop_ended(now);
    make_room_for(user);
    if (all_.size() >= all_max) return std::nullopt;
    std::string name = random_name(name_length);
    all_[orchestrator::core::sha256(name)] = {std::move(user),   std::move(mark), now + length,
                                              now + idle,        next_number_++,  now,
                                              std::move(address)};
    return name;
}

const Session* Sessions::find(std::string_view name, Time now) {
    const auto found = all_.find(orchestrator::core::sha256(name));
    if (found == all_.end()) return nullptr;
    Session& session = found->second;
    if (session.ends > now && session.idle_ends > now) {
        session.idle_ends = now + idle;
        return &session;
    }
    all_.erase(found);
    return nullptr;
}

void Sessions::end(std::string_view name) {
    if (const auto found = all_.find(orchestrator::core::sha256(name)); found != all_.end())
        all_.erase(found);
}

std::vector<Session> Sessions::list(std::string_view user, Time now) {
    drop_ended(now);
    std::vector<Session> found;
    for (const auto& [hash, session] : all_)
        if (user.empty() || session.user == user) found.push_back(session);
    std::ranges::sort(found, {}, &Session::number);
    return found;
}

void Sessions::end_number(std::uint64_t number) {
    std::erase_if(all_, [number](const auto& one) { return one.second.number == number; });
}

void Sessions::drop_ended(Time now) {
    std::erase_if(all_, [now](const auto& one) {
        return one.second.ends <= now || one.second.idle_ends <= now;
    });
}

void Sessions::make_room_for(const std::string& user) {
    auto oldest = all_.end();
    std::size_t count = 0;
    for (auto one = all_.begin(); one != all_.end(); ++one) {
        if (one->second.user != user) continue;
        ++count;
        if (oldest == all_.end() || one->second.number < oldest->second.number) oldest = one;
    }
    if (count >= of_one_user_max) all_.erase(oldest);
}

std::string_view session_in(std::string_view cookies, bool has_tls) {
    while (!cookies.empty()) {
        const auto end = std::min(cookies.find(';'), cookies.size());
        std::string_view one = cookies.substr(0, end);
        cookies.remove_prefix(std::min(end + 1, cookies.size()));
        one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
        if (has_tls) {
            if (!one.starts_with(host_prefix)) continue;
            one.remove_prefix(host_prefix.size());
        }
        if (one.starts_with(cookie_name) && one.substr(cookie_name.size()).starts_with('='))
            return one.substr(cookie_name.size() + 1);
    }
    return {};
}

std::string session_cookie(std::string_view name, bool has_tls) {
    const auto seconds =
        name.empty() ? std::chrono::seconds(0) : std::chrono::seconds(Sessions::length);
    return fmt::format("{}{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
                       has_tls ? host_prefix : "", cookie_name, name, seconds.count(),
                       has_tls ? "; Secure" : "");
}

} // namespace baton::web
