#include "web/access/sessions.hpp"

#include "base/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::web {

namespace {

constexpr std::string_view cookie_name = "baton-session";
constexpr std::size_t name_length = 43; // 256 bits

} // namespace

std::optional<std::string> Sessions::begin(std::string user, std::string mark, Time now) {
    drop_ended(now);
    make_room_for(user);
    if (all_.size() >= all_max) return std::nullopt;
    std::string name = random_name(name_length);
    all_[name] = {std::move(user), std::move(mark), now + length, next_number_++};
    return name;
}

const Session* Sessions::find(std::string_view name, Time now) {
    const auto found = all_.find(name);
    if (found == all_.end()) return nullptr;
    if (found->second.ends > now) return &found->second;
    all_.erase(found);
    return nullptr;
}

void Sessions::end(std::string_view name) {
    if (const auto found = all_.find(name); found != all_.end()) all_.erase(found);
}

void Sessions::drop_ended(Time now) {
    std::erase_if(all_, [now](const auto& one) { return one.second.ends <= now; });
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

std::string_view session_in(std::string_view cookies) {
    while (!cookies.empty()) {
        const auto end = std::min(cookies.find(';'), cookies.size());
        std::string_view one = cookies.substr(0, end);
        cookies.remove_prefix(std::min(end + 1, cookies.size()));
        one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
        if (one.starts_with(cookie_name) && one.substr(cookie_name.size()).starts_with('='))
            return one.substr(cookie_name.size() + 1);
    }
    return {};
}

std::string session_cookie(std::string_view name, bool has_tls) {
    const auto seconds = name.empty() ? std::chrono::seconds(0) : std::chrono::seconds(Sessions::length);
    return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", cookie_name, name, seconds.count(),
                       has_tls ? "; Secure" : "");
}

} // namespace baton::web
