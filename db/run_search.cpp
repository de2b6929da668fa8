// From a search to selects. A "branch" is a select of run ids by one index, without order; a "lead"
// is the branches that together give every run one of the conditions allows.
#include "db/run_search.hpp"

#include "base/utf8.hpp"
#include "db/run_id.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr std::size_t walk_small = 2'000; // an index with fewer runs is read whole
constexpr std::size_t walk_max = 10'000;  // runs that one page looks at
constexpr std::size_t first_window = 256;
constexpr std::size_t branches_max = 200; // of one select
// A run's id tells when it was first asked for, which may be that much before its start: the store
// was away.
constexpr Duration id_slack = std::chrono::hours(1);

// Parameters in the order they come.
class Sql {
public:
    explicit Sql(const SqlDialect& dialect) : dialect_(dialect) {}

    std::string value(std::string_view text) {
        values_.emplace_back(text);
        return fmt::format("{}{}", dialect_.mark, values_.size());
    }
    std::string id(std::string_view text) { return value(text) + std::string(dialect_.id_cast); }
    std::string time(Time time) {
        return value(dialect_.time(time)) + std::string(dialect_.time_cast);
    }
    const std::vector<std::string>& values() const { return values_; }

private:
    const SqlDialect& dialect_;
    std::vector<std::string> values_;
};

// Of an order: a run id alone, or the end with it.
struct SearchPlace {
    std::optional<Time> end;
    std::string run_id;
};

std::string search_text(const SearchPlace& place) {
    return place.end ? fmt::format("{}.{}", micros_of(*place.end), place.run_id) : place.run_id;
}

std::optional<SearchPlace> place_from(std::string_view text, bool by_end) {
    SearchPlace place;
    if (by_end) {
        std::int64_t micros = 0;
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), micros);
        if (error != std::errc{} || rest == text.data() + text.size() || *rest != '.')
            return std::nullopt;
        place.end = time_from_micros(micros);
        text.remove_prefix(static_cast<std::size_t>(rest - text.data()) + 1);
    }
    if (!is_run_id(text)) return std::nullopt;
    place.run_id = text;
    return place;
}

// Behind everything that begins with `text`, byte by byte.
std::string end_of_prefix(const std::string& text) {
    return text + "\xF4\x8F\xBF\xBF";
}

bool is_one(const std::vector<TextMatch>& matches) {
    return std::ranges::none_of(matches, &TextMatch::is_prefix);
}

enum class LeadKind : std::uint8_t { id, key, tag, error, state, end, all };

struct Lead {
    LeadKind kind = LeadKind::all;
    std::size_t tag = 0;    // which of the search's, of LeadKind::tag
    bool is_ordered = true; // in the order of ids
};

class Searcher {
public:
    Searcher(const SqlAsk& ask, const SqlDialect& dialect, const RunSearch& search)
        : ask_(ask),
          dialect_(dialect),
          search_(search),
          by_end_(search.ended_since || search.ended_until) {}

    Outcome<RunPage> page(const std::string& from, std::size_t limit) {
        if (!from.empty()) {
            from_ = place_from(from, by_end_);
            if (!from_)
                return Failure{StoreErrc::not_found,
                               fmt::format("'{}' is no place in the list of these runs", from)};
        }
        BATON_TRY(look_up_workflows());
        RunPage page;
        if (nothing_fits_) return page;
        BATON_ASSIGN(const auto small, small_lead());
        if (small) {
            BATON_TRY(read(page, *small, from_, std::nullopt, limit + 1));
            end_page(page, limit);
            return page;
        }
        BATON_TRY(walk(page, best_lead(), limit));
        return page;
    }

    Outcome<RunTotals> totals() {
        BATON_TRY(look_up_workflows());
        RunTotals totals;
        if (nothing_fits_) return totals;
        BATON_ASSIGN(const auto small, small_lead());
        if (small) {
            BATON_TRY(count(totals, *small, std::nullopt));
            return totals;
        }
        if (is_counted_by_index()) {
            BATON_TRY(count_by_index(totals));
            return totals;
        }
        const Lead lead = best_lead();
        BATON_ASSIGN(const auto end, boundary(lead, std::nullopt, walk_max));
        BATON_TRY(count(totals, lead, end));
        totals.is_exact = !end;
        return totals;
    }

private:
    // Which workflows a prefix means; and, since the index of runs begins with it, all there are if
    // none is named.
    Outcome<void> look_up_workflows() {
        const bool has_prefix = !is_one(search_.workflows);
        for (const TextMatch& match : search_.workflows)
            if (!match.is_prefix) names_.push_back(match.text);
        if (has_prefix || search_.workflows.empty()) {
            BATON_ASSIGN(const auto rows,
                         ask_("select distinct name from definition order by name", {}));
            for (const SqlRow& row : rows) {
                const std::string name = row[0].value_or("");
                const bool fits =
                    search_.workflows.empty() ||
                    std::ranges::any_of(search_.workflows, [&](const TextMatch& match) {
                        return match.is_prefix && name.starts_with(match.text);
                    });
                if (fits && std::ranges::find(names_, name) == names_.end()) names_.push_back(name);
            }
        }
        look_up_ids();
        if (!search_.workflows.empty() && names_.empty()) nothing_fits_ = true;
        return {};
    }

    void look_up_ids() {
        for (const std::string& prefix : search_.id_prefixes)
            if (auto range = run_ids_like(prefix)) ids_.push_back(std::move(*range));
        if (!search_.id_prefixes.empty() && ids_.empty()) nothing_fits_ = true;
    }

    // ---- leads ---------------------------------------------------------------------------------

    std::vector<Lead> leads() const {
        std::vector<Lead> all;
        if (!ids_.empty()) all.push_back({LeadKind::id});
        if (!search_.keys.empty() && names_.size() <= branches_max)
            all.push_back({LeadKind::key, 0, false});
        for (std::size_t i = 0; i < search_.tags.size(); ++i)
            all.push_back({LeadKind::tag, i, is_one(search_.tags[i].any_of)});
        if (!search_.errors.empty()) all.push_back({LeadKind::error, 0, is_one(search_.errors)});
        if (!state_branches().empty()) all.push_back({LeadKind::state});
        return all;
    }

    Outcome<std::optional<Lead>> small_lead() {
        for (const Lead& lead : leads()) {
            BATON_ASSIGN(const bool is_small, has_at_most(lead, walk_small));
            if (is_small) return std::optional<Lead>(lead);
        }
        return std::optional<Lead>{};
    }

    Lead best_lead() const {
        if (by_end_) return {LeadKind::end};
        for (const Lead& lead : leads())
            if (lead.is_ordered) return lead;
        return {LeadKind::all};
    }

    struct State {
        std::string workflow; // empty: any
        std::optional<int> status;
    };

    // How the indexes by workflow and status lead to the runs; empty: they do not, or there are too
    // many ways.
    std::vector<State> state_branches() const {
        if (search_.workflows.empty() && search_.statuses.empty()) return {};
        return states_of(search_.statuses);
    }

    // Those of one status side by side.
    std::vector<State> states_of(const std::vector<RunStatus>& statuses) const {
        std::vector<State> all;
        std::vector<RunStatus> wanted = statuses;
        for (int number = 1; statuses.empty() && number <= static_cast<int>(RunStatus::compensated);
             ++number)
            wanted.push_back(static_cast<RunStatus>(number));
        for (const RunStatus status : wanted) {
            const int number = static_cast<int>(status);
            if (search_.workflows.empty() && status != RunStatus::completed) {
                all.push_back({{}, number});
                continue;
            }
            if (names_.empty()) return {};
            for (const std::string& name : names_)
                all.push_back({name, number});
        }
        if (all.size() > branches_max) all.clear();
        return all;
    }

    static std::string id_condition(Sql& sql, std::string_view column, const RunIdRange& ids) {
        return fmt::format("{0} >= {1} and {0} <= {2}", column, sql.id(ids.first),
                           sql.id(ids.last));
    }

    static std::string branch(std::string_view table, const std::string& conditions) {
        return fmt::format("select run_id from {} where {}", table, conditions);
    }

    std::string matches(Sql& sql, std::string_view column, const TextMatch& match) const {
        if (!match.is_prefix) return fmt::format("{} = {}", column, sql.value(match.text));
        return fmt::format("{0} >= {1} and {0} < {2}", column, sql.value(match.text),
                           sql.value(end_of_prefix(match.text)));
    }

    std::string any_matches(Sql& sql, std::string_view column,
                            const std::vector<TextMatch>& all) const {
        std::vector<std::string> parts;
        for (const TextMatch& match : all)
            parts.push_back(matches(sql, column, match));
        return fmt::format("({})", fmt::join(parts, " or "));
    }

    std::string state_condition(Sql& sql, const State& state) const {
        std::string condition = fmt::format("status = {}", *state.status);
        if (state.workflow.empty())
            return condition + " and status <> 5"; // as the partial index says
        return condition + " and workflow = " + sql.value(state.workflow);
    }

    std::vector<std::string> branches(Sql& sql, const Lead& lead, const std::string& range) const {
        std::vector<std::string> all;
        switch (lead.kind) {
        case LeadKind::id:
            for (const RunIdRange& ids : ids_)
                all.push_back(branch("run", id_condition(sql, "run_id", ids) + range));
            break;
        case LeadKind::key:
            for (const std::string& name : names_) {
                const std::string workflow = sql.value(name);
                for (const TextMatch& match : search_.keys)
                    all.push_back(
                        branch("start_key", fmt::format("workflow = {} and {}{}", workflow,
                                                        matches(sql, "key", match), range)));
            }
            break;
        case LeadKind::tag:
            for (const TextMatch& match : search_.tags[lead.tag].any_of)
                all.push_back(branch("run_tag", fmt::format("name = {} and {}{}",
                                                            sql.value(search_.tags[lead.tag].name),
                                                            matches(sql, "value", match), range)));
            break;
        case LeadKind::error:
            for (const TextMatch& match : search_.errors)
                all.push_back(branch("run", fmt::format("error_type <> '' and {}{}",
                                                        matches(sql, "error_type", match), range)));
            break;
        case LeadKind::state:
            for (const State& state : state_branches())
                all.push_back(branch("run", state_condition(sql, state) + range));
            break;
        case LeadKind::end:
            all.push_back(
                fmt::format("select run_id, closed_at from run where closed_at is not null{}{}",
                            end_bounds(sql, ""), range));
            break;
        case LeadKind::all:
            all.push_back(branch("run", "true" + range));
            break;
        }
        return all;
    }

    std::string end_bounds(Sql& sql, std::string_view table) const {
        std::string bounds;
        if (search_.ended_since)
            bounds += fmt::format(" and {}closed_at >= {}", table, sql.time(*search_.ended_since));
        if (search_.ended_until)
            bounds += fmt::format(" and {}closed_at < {}", table, sql.time(*search_.ended_until));
        return bounds;
    }

    // ---- ranges --------------------------------------------------------------------------------

    // " and …": of what an index gives, from below `above` (the page's beginning) down to
    // `down_to`.
    std::string range(Sql& sql, const Lead& lead, const std::optional<SearchPlace>& above,
                      const std::optional<SearchPlace>& down_to) const {
        if (lead.kind == LeadKind::end) {
            std::string text;
            if (above)
                text += fmt::format(" and (closed_at, run_id) < ({}, {})", sql.time(*above->end),
                                    sql.id(above->run_id));
            if (down_to)
                text += fmt::format(" and (closed_at, run_id) >= ({}, {})", sql.time(*down_to->end),
                                    sql.id(down_to->run_id));
            return text;
        }
        std::string text;
        if (search_.since)
            text += fmt::format(" and run_id >= {}",
                                sql.id(first_run_id_at(*search_.since - id_slack)));
        if (search_.until)
            text +=
                fmt::format(" and run_id < {}",
                            sql.id(first_run_id_at(*search_.until + std::chrono::milliseconds(1))));
        // Ordered by the end, the page begins at no id.
        if (above && !by_end_) text += fmt::format(" and run_id < {}", sql.id(above->run_id));
        if (down_to && !by_end_) text += fmt::format(" and run_id >= {}", sql.id(down_to->run_id));
        return text;
    }

    // The ids that a lead gives, no more than `limit` of each branch, in order.
    std::string candidates(Sql& sql, const Lead& lead, const std::string& range,
                           std::optional<std::size_t> limit) const {
        const auto all = branches(sql, lead, range);
        const bool is_end = lead.kind == LeadKind::end;
        const std::string order =
            is_end ? " order by closed_at desc, run_id desc" : " order by run_id desc";
        std::vector<std::string> parts;
        for (std::size_t i = 0; i < all.size(); ++i) {
            std::string part = all[i];
            if (limit) part += fmt::format("{} limit {}", lead.is_ordered ? order : "", *limit);
            parts.push_back(all.size() == 1 ? part
                                            : fmt::format("select run_id from ({}) b{}", part, i));
        }
        // A run may be in several branches of these.
        const bool may_repeat = lead.kind == LeadKind::error || lead.kind == LeadKind::tag ||
                                lead.kind == LeadKind::key ||
                                (lead.kind == LeadKind::id && all.size() > 1);
        return fmt::to_string(fmt::join(parts, may_repeat ? " union " : " union all "));
    }

    // The `nth` run of a lead, from `above` on, in its order; absent: it has not so many.
    Outcome<std::optional<SearchPlace>>
    boundary(const Lead& lead, const std::optional<SearchPlace>& above, std::size_t nth) {
        Sql sql(dialect_);
        const std::string all = candidates(sql, lead, range(sql, lead, above, std::nullopt), nth);
        const bool is_end = lead.kind == LeadKind::end;
        const std::string what = is_end ? fmt::format("run_id, {}", dialect_.end_micros) : "run_id";
        const std::string order = is_end ? "closed_at desc, run_id desc" : "run_id desc";
        BATON_ASSIGN(const auto rows,
                     ask_(fmt::format("select {} from ({}) c order by {} limit 1 offset {}", what,
                                      all, order, nth - 1),
                          sql.values()));
        if (rows.empty()) return std::optional<SearchPlace>{};
        SearchPlace place;
        place.run_id = rows[0][0].value_or("");
        if (is_end) place.end = time_from_micros(number_in(rows[0], 1));
        return std::optional<SearchPlace>(std::move(place));
    }

    Outcome<bool> has_at_most(const Lead& lead, std::size_t count) {
        Sql sql(dialect_);
        const std::string all =
            candidates(sql, lead, range(sql, lead, from_, std::nullopt), count + 1);
        BATON_ASSIGN(
            const auto rows,
            ask_(fmt::format("select 1 from ({}) c limit 1 offset {}", all, count), sql.values()));
        return rows.empty();
    }

    // ---- filters -------------------------------------------------------------------------------

    // Of the run r; what `lead` itself makes sure of is left out.
    std::string filters(Sql& sql, const Lead& lead) const {
        std::string text = "true";
        if (!ids_.empty() && lead.kind != LeadKind::id) {
            std::vector<std::string> parts;
            for (const RunIdRange& ids : ids_)
                parts.push_back(id_condition(sql, "r.run_id", ids));
            text += fmt::format(" and ({})", fmt::join(parts, " or "));
        }
        if (!search_.workflows.empty() && lead.kind != LeadKind::state) {
            std::vector<std::string> marks;
            for (const std::string& name : names_)
                marks.push_back(sql.value(name));
            text += fmt::format(" and r.workflow in ({})", fmt::join(marks, ", "));
        }
        if (!search_.statuses
                 .empty()) { // also of LeadKind::state: it may have changed between two selects
            std::vector<int> numbers;
            for (const RunStatus status : search_.statuses)
                numbers.push_back(static_cast<int>(status));
            text += fmt::format(" and r.status in ({})", fmt::join(numbers, ", "));
        }
        if (search_.since) text += fmt::format(" and r.started_at >= {}", sql.time(*search_.since));
        if (search_.until) text += fmt::format(" and r.started_at < {}", sql.time(*search_.until));
        if (by_end_) text += " and r.closed_at is not null" + end_bounds(sql, "r.");
        for (std::size_t i = 0; i < search_.tags.size(); ++i)
            if (lead.kind != LeadKind::tag || lead.tag != i)
                text += " and " + tag_condition(sql, search_.tags[i].name, search_.tags[i].any_of);
        if (!search_.errors.empty())
            text += " and " + any_matches(sql, "r.error_type", search_.errors);
        if (!search_.keys.empty() && lead.kind != LeadKind::key)
            text += " and " + tag_condition(sql, "key", search_.keys);
        return text;
    }

    std::string tag_condition(Sql& sql, std::string_view name,
                              const std::vector<TextMatch>& any_of) const {
        const std::string tag =
            fmt::format(fmt::runtime(dialect_.tag_of), sql.value(dialect_.tag_name(name)));
        return any_matches(sql, tag, any_of);
    }

    // ---- reading -------------------------------------------------------------------------------

    // Adds to the page what fits, from `above` on, as far as `down_to` if there is one.
    Outcome<void> read(RunPage& page, const Lead& lead, const std::optional<SearchPlace>& above,
                       const std::optional<SearchPlace>& down_to, std::size_t limit) {
        Sql sql(dialect_);
        const std::string all =
            candidates(sql, lead, range(sql, lead, above, down_to), std::nullopt);
        std::string conditions = filters(sql, lead);
        if (by_end_ && lead.kind != LeadKind::end && above)
            conditions += fmt::format(" and (r.closed_at, r.run_id) < ({}, {})",
                                      sql.time(*above->end), sql.id(above->run_id));
        const std::string order = by_end_ ? "r.closed_at desc, r.run_id desc" : "r.run_id desc";
        BATON_ASSIGN(
            const auto rows,
            ask_(fmt::format("select {} from ({}) c {} where {} order by {} limit {}",
                             dialect_.columns, all, dialect_.join_run, conditions, order, limit),
                 sql.values()));
        for (const SqlRow& row : rows)
            page.runs.push_back(run_of(row));
        return {};
    }

    Outcome<void> walk(RunPage& page, const Lead& lead, std::size_t limit) {
        std::optional<SearchPlace> above = from_;
        std::size_t budget = walk_max;
        std::size_t window = std::max(first_window, 2 * limit);
        while (true) {
            window = std::min(window, budget);
            BATON_ASSIGN(const auto down_to, boundary(lead, above, window));
            BATON_TRY(read(page, lead, above, down_to, limit + 1 - page.runs.size()));
            budget -= window;
            if (page.runs.size() > limit || !down_to) {
                end_page(page, limit);
                return {};
            }
            above = down_to;
            if (budget == 0) {
                page.next = search_text(*down_to);
                return {};
            }
            window *= 4;
        }
    }

    void end_page(RunPage& page, std::size_t limit) const {
        if (page.runs.size() <= limit) return;
        page.runs.resize(limit);
        const StoredRun& last = page.runs.back();
        page.next = search_text({by_end_ ? last.closed_at : std::nullopt, last.run_id});
    }

    static std::int64_t number_in(const SqlRow& row, std::size_t column) {
        std::int64_t number = 0;
        if (row[column])
            std::from_chars(row[column]->data(), row[column]->data() + row[column]->size(), number);
        return number;
    }

    static StoredRun run_of(const SqlRow& row) {
        StoredRun run;
        run.run_id = row[0].value_or("");
        run.part = static_cast<Partition>(number_in(row, 1));
        run.definition_id = static_cast<std::uint64_t>(number_in(row, 2));
        run.workflow = row[3].value_or("");
        run.workflow_version = static_cast<std::uint32_t>(number_in(row, 4));
        run.status = static_cast<RunStatus>(number_in(row, 5));
        run.version = static_cast<std::uint64_t>(number_in(row, 6));
        run.error_type = row[7].value_or("");
        run.error = row[8].value_or("");
        run.started_at = time_from_micros(number_in(row, 9));
        if (row[10]) run.closed_at = time_from_micros(number_in(row, 10));
        run.tags = row[11].value_or("");
        return run;
    }

    // ---- counting ------------------------------------------------------------------------------

    Outcome<void> count(RunTotals& totals, const Lead& lead,
                        const std::optional<SearchPlace>& down_to) {
        Sql sql(dialect_);
        const std::string all =
            candidates(sql, lead, range(sql, lead, std::nullopt, down_to), std::nullopt);
        BATON_ASSIGN(
            const auto rows,
            ask_(fmt::format("select r.status, count(*) from ({}) c {} where {} group by r.status",
                             all, dialect_.join_run, filters(sql, lead)),
                 sql.values()));
        for (const SqlRow& row : rows)
            totals.by_status[static_cast<RunStatus>(number_in(row, 0))] =
                static_cast<std::uint64_t>(number_in(row, 1));
        return {};
    }

    // Whether nothing but the indexes by workflow and status need be read.
    bool is_counted_by_index() const {
        return search_.tags.empty() && search_.errors.empty() && search_.keys.empty() && !by_end_ &&
               ids_.empty() && !states_of(search_.statuses).empty();
    }

    Outcome<void> count_by_index(RunTotals& totals) {
        const std::vector<State> states = states_of(search_.statuses);
        for (std::size_t begin = 0; begin < states.size();) {
            std::size_t end = begin;
            Sql sql(dialect_);
            std::string range;
            if (search_.since)
                range += fmt::format(" and run_id >= {}", sql.id(first_run_id_at(*search_.since)));
            if (search_.until)
                range += fmt::format(" and run_id < {}", sql.id(first_run_id_at(*search_.until)));
            std::vector<std::string> parts;
            for (; end < states.size() && *states[end].status == *states[begin].status; ++end)
                parts.push_back(
                    fmt::format("select run_id from ({} limit {}) b{}",
                                branch("run", state_condition(sql, states[end]) + range),
                                counted_runs_max + 1, end));
            BATON_ASSIGN(
                const auto rows,
                ask_(fmt::format("select count(*) from (select run_id from ({}) a limit {}) c",
                                 fmt::join(parts, " union all "), counted_runs_max + 1),
                     sql.values()));
            const auto counted = static_cast<std::uint64_t>(number_in(rows.at(0), 0));
            if (counted > 0)
                totals.by_status[static_cast<RunStatus>(*states[begin].status)] =
                    std::min(counted, counted_runs_max);
            if (counted > counted_runs_max) totals.is_exact = false;
            begin = end;
        }
        return {};
    }

    const SqlAsk& ask_;
    const SqlDialect& dialect_;
    const RunSearch& search_;
    bool by_end_;
    bool nothing_fits_ = false;
    std::optional<SearchPlace> from_;
    std::vector<RunIdRange> ids_;    // of the beginnings that the search names
    std::vector<std::string> names_; // of workflows
};

} // namespace

Outcome<RunPage> search_runs(const SqlAsk& ask, const SqlDialect& dialect, const RunSearch& search,
                             const std::string& from, std::size_t limit) {
    return Searcher(ask, dialect, search).page(from, limit);
}

Outcome<RunTotals> count_runs(const SqlAsk& ask, const SqlDialect& dialect,
                              const RunSearch& search) {
    return Searcher(ask, dialect, search).totals();
}

std::string tags_text(const NewRun& run) {
    if (run.tags.empty() && !run.start_key) return {};
    // PostgreSQL reads the object when it is written, and what it cannot hold would fail the whole
    // batch.
    const auto clean = [](std::string_view text) {
        std::string kept = as_utf8(text);
        for (auto zero = kept.find('\0'); zero != std::string::npos; zero = kept.find('\0', zero))
            kept.replace(zero, 1, "\xEF\xBF\xBD");
        return kept;
    };
    boost::json::object object;
    for (const RunTag& tag : run.tags)
        object[clean(tag.name)] = clean(tag.value);
    if (run.start_key) object["key"] = clean(run.start_key->key);
    return boost::json::serialize(object);
}

} // namespace baton::db
