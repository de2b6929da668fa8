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
    auto kept = KeptNote::take(site.settings.locks, fmt::format("redmine {} {}", site.settings.url, what));
    if (!kept) return kept.error();
    claim.kept_ = std::move(*kept);
    const json::object& fields = claim.kept_.before();
    claim.note_ = {text_of(fields, "made_by"), text_of(fields, "opened_by"), number_of(fields, "id"), text_of(fields, "joined_by"), {}};
    if (const json::array* joined = array_of(fields, "joined"))
        for (const json::value& one : *joined)
            if (one.is_string()) claim.note_.joined.emplace_back(one.get_string());
    claim.before_ = claim.note_;
    return claim;
}

std::string Claim::maker_of(std::int64_t id) const {
    return note_.id == 0 || note_.id == id ? note_.made_by : std::string();
}

std::string Claim::opener_of(std::int64_t id) const { return note_.id == id ? note_.opened_by : std::string(); }

std::optional<contract::Problem> Claim::begin() { return write({mark_, {}, 0, {}, {}}); }

std::optional<contract::Problem> Claim::made(std::int64_t id) { return write({mark_, {}, id, note_.joined_by, note_.joined}); }

std::optional<contract::Problem> Claim::refused() { return write(before_); }

std::optional<contract::Problem> Claim::open(std::int64_t id) {
    return write({maker_of(id), mark_, id, note_.joined_by, note_.joined});
}

std::optional<contract::Problem> Claim::join(std::int64_t id, std::vector<std::string> groups) {
    return write({maker_of(id), opener_of(id), id, mark_, std::move(groups)});
}

std::vector<std::string> Claim::joined_by_us(std::int64_t id) const {
    return note_.id == id && is_same_work(note_.joined_by, mark_) ? note_.joined : std::vector<std::string>{};
}

std::optional<contract::Problem> Claim::write(Note note) {
    note_ = std::move(note);
    json::object fields{{"made_by", note_.made_by}, {"opened_by", note_.opened_by}, {"id", note_.id}};
    if (!note_.joined.empty()) {
        fields["joined_by"] = note_.joined_by;
        json::array joined;
        for (const std::string& one : note_.joined) joined.emplace_back(one);
        fields["joined"] = std::move(joined);
    }
    return kept_.write(fields);
}

} // namespace baton::workers::redmine
