// Notes are JSON objects of two fields.
#include "workers/slack/claim.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace baton::workers::slack {

namespace json = boost::json;

std::vector<std::string> identities_of(const Task& task) {
    std::vector<std::string> all = task.identities();
    if (all.empty() && !task.request.token.empty()) all.push_back("call " + task.request.token);
    return all;
}

Reply<Claim> Claim::take(const Settings& settings, const Task& task, const std::string& what) {
    Claim claim;
    claim.identities_ = identities_of(task);
    auto kept = KeptNote::take(settings.locks, fmt::format("slack {} {} {}", settings.url, settings.team, what));
    if (!kept) return kept.error();
    claim.kept_ = std::move(*kept);
    claim.note_.id = text_of(claim.kept_.before(), "id");
    for (const json::value& one : list_of(claim.kept_.before(), "by"))
        if (one.is_string()) claim.note_.by.emplace_back(one.get_string());
    claim.before_ = claim.note_;
    return claim;
}

bool Claim::is_ours(std::string_view id) const {
    if (!id.empty() && !note_.id.empty() && note_.id != id) return false;
    return std::any_of(note_.by.begin(), note_.by.end(), [&](const std::string& one) {
        return std::find(identities_.begin(), identities_.end(), one) != identities_.end();
    });
}

bool Claim::is_by(std::string_view who) const {
    const std::string step = fmt::format("step {}/", who);
    const std::string key = fmt::format("key {}", who);
    return std::any_of(note_.by.begin(), note_.by.end(), [&](const std::string& one) { return one == key || one.starts_with(step); });
}

std::optional<contract::Problem> Claim::begin() { return write({identities_, {}}); }
std::optional<contract::Problem> Claim::done(std::string id) { return write({identities_, std::move(id)}); }
std::optional<contract::Problem> Claim::refused() { return write(before_); }

std::optional<contract::Problem> Claim::write(Note note) {
    note_ = std::move(note);
    json::array by;
    for (const std::string& one : note_.by) by.emplace_back(one);
    return kept_.write(json::object{{"by", std::move(by)}, {"id", note_.id}});
}

} // namespace baton::workers::slack
