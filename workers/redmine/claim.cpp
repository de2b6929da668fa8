// Notes are JSON objects of a few fields.
#include "workers/redmine/claim.hpp"

#include "base/random.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

constexpr std::string_view separator = " ; ";

std::vector<std::string_view> parts_of(std::string_view mark) {
    std::vector<std::string_view> parts;
    while (!mark.empty()) {
        const std::size_t end = std::min(mark.find(separator), mark.size());
        parts.push_back(mark.substr(0, end));
        mark.remove_prefix(std::min(end + separator.size(), mark.size()));
    }
    return parts;
}

std::optional<contract::Problem> problem_of(const Outcome<void>& noted) {
    if (noted) return std::nullopt;
    return no_turn(noted.error());
}

} // namespace

std::string mark_of(const Task& task) { return fmt::format("{}", fmt::join(task.identities(), separator)); }

bool is_same_work(std::string_view mark, std::string_view other) {
    const auto mine = parts_of(mark);
    for (const std::string_view part : parts_of(other))
        for (const std::string_view own : mine)
            if (own == part) return true;
    return false;
}

Reply<Claim> Claim::take(const Site& site, const Task& task, const std::string& what) {
    Claim claim;
    claim.mark_ = mark_of(task);
    // Whoever has no identity is himself, for as long as he works.
    if (claim.mark_.empty()) claim.mark_ = fmt::format("call {:016x}", entropy_seed());
    if (!site.settings.locks) return claim;
    auto held = site.settings.locks->hold(fmt::format("redmine {} {}", site.settings.url, what), turn_patience);
    if (!held) return no_turn(held.error());
    claim.held_ = std::make_unique<KeyLocks::Held>(std::move(*held));
    const auto note = claim.held_->note();
    if (!note) return no_turn(note.error());
    ErrorCode code;
    const json::value read = json::parse(*note, code);
    if (const json::object* fields = code ? nullptr : read.if_object())
        claim.note_ = {text_of(*fields, "made_by"), text_of(*fields, "opened_by"), number_of(*fields, "id")};
    claim.before_ = claim.note_;
    return claim;
}

std::string Claim::maker_of(std::int64_t id) const {
    return note_.id == 0 || note_.id == id ? note_.made_by : std::string();
}

std::string Claim::opener_of(std::int64_t id) const { return note_.id == id ? note_.opened_by : std::string(); }

std::optional<contract::Problem> Claim::begin() { return write({mark_, {}, 0}); }

std::optional<contract::Problem> Claim::made(std::int64_t id) { return write({mark_, {}, id}); }

std::optional<contract::Problem> Claim::refused() { return write(before_); }

std::optional<contract::Problem> Claim::open(std::int64_t id) { return write({maker_of(id), mark_, id}); }

std::optional<contract::Problem> Claim::write(Note note) {
    note_ = std::move(note);
    if (!held_) return std::nullopt;
    return problem_of(held_->put_note(json::serialize(
        json::object{{"made_by", note_.made_by}, {"opened_by", note_.opened_by}, {"id", note_.id}})));
}

bool Claim::is_held() const { return !held_ || held_->is_valid(); }

} // namespace baton::workers::redmine
