// The history against everything else the store says of a run.
#include "orchestrator/runtime/doctor.hpp"

#include "base/json_text.hpp"
#include "base/rfc3339.hpp"
#include "orchestrator/core/clocks.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {

namespace json = boost::json;

namespace {

constexpr std::size_t doctor_page_rows = 500;

std::string shown(const json::value* value) {
    constexpr std::size_t bytes_max = 120;
    return value == nullptr ? "nothing" : plain(json::serialize(*value).substr(0, bytes_max));
}

// Where two documents first differ.
struct Difference {
    std::string step; // whose; empty: the run's own
    std::string path; // "steps.account.s"
    std::string here, there;
};

std::optional<Difference> difference(const json::value* here, const json::value* there,
                                     const std::string& path = {}, const std::string& step = {}) {
    if (here != nullptr && there != nullptr && *here == *there) return std::nullopt;
    const auto* left = here != nullptr ? here->if_object() : nullptr;
    const auto* right = there != nullptr ? there->if_object() : nullptr;
    if (left == nullptr || right == nullptr)
        return Difference{step, path, shown(here), shown(there)};
    const auto look = [&](const json::key_value_pair& member, const json::value* one,
                          const json::value* other) {
        const std::string key(member.key());
        return difference(one, other, path.empty() ? key : fmt::format("{}.{}", path, key),
                          path == "steps" ? key : step);
    };
    for (const auto& member : *left)
        if (auto found = look(member, &member.value(), right->if_contains(member.key())))
            return found;
    for (const auto& member : *right)
        if (!left->contains(member.key())) return look(member, nullptr, &member.value());
    return std::nullopt; // the same members in another order
}

json::value parsed(const std::string& text) {
    auto value = read_json(text, json_of_our_own);
    return value ? std::move(*value) : json::value{};
}

std::string state_text(const core::Workflow& workflow, const core::Run& run,
                       std::uint64_t version) {
    std::string text;
    core::append_state_json(text, workflow, run, version);
    return text;
}

// Goes over the history up to the version of the row. `hear` may say that it is enough.
Outcome<void> each_row(RunQueries& queries, const StoredRun& run,
                       const std::function<bool(const HistoryRow&)>& hear) {
    std::uint64_t after = 0;
    while (after < run.version) {
        BATON_ASSIGN(
            const auto page,
            queries.history_after(run.run_id, after,
                                  std::min<std::uint64_t>(doctor_page_rows, run.version - after)));
        if (page.rows.empty()) break;
        for (const HistoryRow& row : page.rows)
            if (!hear(row)) return boost::system::in_place_value;
        after = page.rows.back().seq;
    }
    return boost::system::in_place_value;
}

// The last fact up to this version that speaks of the step (of a run's own: that changes its
// status).
Outcome<std::string> fact_on(RunQueries& queries, const StoredRun& run, const std::string& step,
                             std::uint64_t version) {
    std::string found = "no fact of its history says so";
    BATON_TRY(each_row(queries, run, [&](const HistoryRow& row) {
        if (row.seq > version) return false;
        const auto facts = parsed(row.events);
        if (!facts.is_array()) return true;
        for (const auto& fact : facts.get_array()) {
            const auto* object = fact.if_object();
            if (object == nullptr) continue;
            const auto text = [&](std::string_view key) {
                const auto* value = object->if_contains(key);
                return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                              : std::string{};
            };
            const std::string word = text("fact");
            if (step.empty() ? word == "run_status" : text("step") == step)
                found =
                    fmt::format("the history says so in transition {} of {}: {}{}", row.seq,
                                to_rfc3339(row.at), word, step.empty() ? " " + text("status") : "");
        }
        return true;
    }));
    return found;
}

class Examination {
public:
    Examination(RunQueries& queries, std::shared_ptr<const core::Workflow> workflow,
                const RunRecord& record)
        : queries_(queries), workflow_(std::move(workflow)), record_(record) {}

    Outcome<Examined> go() {
        BATON_ASSIGN(const bool is_whole, replay());
        if (!is_whole) return std::move(examined_);
        BATON_TRY(compare_document());
        BATON_TRY(compare_row());
        compare_due_time();
        compare_letters();
        list_tasks();
        return std::move(examined_);
    }

private:
    const StoredRun& row() const { return record_.run; }

    void find(std::string kind, std::string what, bool can_be_mended) {
        examined_.findings.push_back(
            {std::move(kind), row().run_id, std::move(what), can_be_mended});
    }

    core::Run fresh() const {
        core::Run run = core::new_run(*workflow_, row().run_id);
        run.started_at = row().started_at;
        return run;
    }

    // Earlier versions of the program wrote the whole state with each transition, and a history
    // from which it does not follow: it begins with the document.
    bool begins_with_document() const { return row().state.starts_with("{\"f\":1,"); }

    // False: the history does not go through, which says all.
    Outcome<bool> replay() {
        run_ = fresh();
        auto input = core::Document::parse_stored(row().input);
        if (!input) {
            find("row", "its input is no JSON: " + input.error().detail, false);
            return false;
        }
        run_.input = *input;
        stored_ = run_;
        stored_.version = row().version;
        stored_.status = row().status;
        stored_.closed_at = row().closed_at;
        if (row().output)
            if (auto output = core::Document::parse_stored(*row().output)) stored_.output = *output;
        const auto read = core::read_state_json(row().state, *workflow_, stored_);
        if (!read) document_trouble_ = read.error().detail;
        if (begins_with_document()) {
            if (!read) {
                find("document", document_trouble_, false);
                return false;
            }
            run_ = stored_;
        }
        std::string trouble;
        BATON_TRY(each_row(queries_, row(), [&](const HistoryRow& one) {
            if (one.seq <= run_.version) return true; // before the document with which it begins
            trouble = apply(one);
            return trouble.empty();
        }));
        if (trouble.empty() && run_.version != row().version)
            trouble = fmt::format("its history ends at transition {}, the row is at {}",
                                  run_.version, row().version);
        if (trouble.empty()) return true;
        // What is behind the document may still be whole; then the run goes on, and its beginning
        // cannot be proved.
        const bool is_readable = read && stored_.version > run_.version;
        find("history",
             is_readable ? trouble + "; its document is later than that"
                         : trouble + "; end it with baton terminate",
             false);
        return false;
    }

    std::string apply(const HistoryRow& one) {
        if (one.seq != run_.version + 1)
            return fmt::format("its history has no transition {}", run_.version + 1);
        const auto facts = core::facts_from_json(one.events);
        if (!facts)
            return fmt::format("transition {} of its history cannot be read: {}", one.seq,
                               facts.error().detail);
        for (const core::Fact& fact : *facts)
            if (!core::replay(*workflow_, run_, std::span(&fact, 1), one.at))
                return fmt::format(
                    "transition {} of its history, {}, speaks of what the run does not have",
                    one.seq, core::word_of(fact));
        run_.version = one.seq;
        if (document_trouble_.empty() && !begins_with_document() && one.seq == stored_.version)
            at_document_ = state_text(*workflow_, run_, one.seq);
        return {};
    }

    Outcome<void> compare_document() {
        if (!document_trouble_.empty()) {
            find("document", document_trouble_, true);
            return boost::system::in_place_value;
        }
        if (stored_.version > row().version) {
            find("document",
                 fmt::format("its document is of transition {}, the row is at {}", stored_.version,
                             row().version),
                 true);
            return boost::system::in_place_value;
        }
        if (begins_with_document() || stored_.version == 0) return boost::system::in_place_value;
        const std::string there = state_text(*workflow_, stored_, stored_.version);
        if (there == at_document_) return boost::system::in_place_value;
        const auto here_value = parsed(at_document_), there_value = parsed(there);
        const auto differs = difference(&here_value, &there_value);
        if (!differs) return boost::system::in_place_value;
        BATON_ASSIGN(const auto fact, fact_on(queries_, row(), differs->step, stored_.version));
        find("document",
             fmt::format("its document says {} of {}, the history {}; {}", differs->there,
                         differs->path, differs->here, fact),
             true);
        return boost::system::in_place_value;
    }

    Outcome<void> compare_row() {
        std::vector<std::string> wrong;
        if (row().status != run_.status)
            wrong.push_back(fmt::format("status {} instead of {}", core::word_of(row().status),
                                        core::word_of(run_.status)));
        if (row().closed_at != run_.closed_at) wrong.emplace_back("another end");
        const bool has_output = core::is_closed(run_.status) && !run_.output.is_null();
        if (has_output != row().output.has_value() ||
            (has_output && parsed(*row().output) != parsed(std::string(run_.output.text()))))
            wrong.emplace_back("another output");
        const auto error = run_.error.is_null() ? std::string{} : plain(line_of(run_.error));
        if (row().error != error)
            wrong.push_back(fmt::format("error '{}' instead of '{}'", row().error, error));
        if (wrong.empty()) return boost::system::in_place_value;
        BATON_ASSIGN(const auto fact, fact_on(queries_, row(), {}, row().version));
        std::string all;
        for (const auto& one : wrong)
            all += (all.empty() ? "" : ", ") + one;
        find("row", fmt::format("its row has {}; {}", all, fact), true);
        return boost::system::in_place_value;
    }

    void compare_due_time() {
        const auto due = core::next_deadline(run_);
        if (due && !record_.alarm)
            find("due_time",
                 fmt::format("something of it is due at {}, and nothing will wake it",
                             to_rfc3339(*due)),
                 true);
    }

    void compare_letters() {
        constexpr std::string_view undo = ":undo";
        for (const DeadLetter& letter : record_.open_letters) {
            std::string step = letter.step;
            const bool is_undo = step.ends_with(undo);
            if (is_undo) step.resize(step.size() - undo.size());
            const auto place = core::find_place(*workflow_, run_, step);
            if (!place) continue; // its instance is gone, and the letter is all there is of it
            const auto& state = core::state_of(*workflow_, run_, *place);
            const bool is_dead = is_undo ? state.undo == core::UndoStatus::dead
                                         : state.status == core::StepStatus::dead;
            if (!is_dead)
                find("dead_letter",
                     fmt::format(
                         "dead letter {} is open, and {} is {}; drop it with baton dead drop {}",
                         letter.id, letter.step,
                         is_undo ? core::word_of(state.undo) : core::word_of(state.status),
                         letter.id),
                     false);
        }
    }

    void list_tasks() {
        const auto add = [&](core::Place place, bool is_undo) {
            const auto& state = core::state_of(*workflow_, run_, place);
            const core::Attempts& attempts = is_undo ? state.undo_attempts : state.attempts;
            if (attempts.started_at || attempts.deferred) return;
            examined_.out.push_back(
                {core::route_of(core::call_of(workflow_->steps[place.step], state, is_undo)),
                 row().run_id, core::address_of(*workflow_, run_, place) + (is_undo ? ":undo" : ""),
                 attempts.number, attempts.dispatched_at});
        };
        if (core::is_closed(run_.status)) return;
        for (const core::Place place : run_.begun)
            if (core::state_of(*workflow_, run_, place).status == core::StepStatus::dispatched)
                add(place, false);
        for (const core::Place place : run_.undoing)
            if (core::state_of(*workflow_, run_, place).undo == core::UndoStatus::dispatched)
                add(place, true);
    }

    RunQueries& queries_;
    std::shared_ptr<const core::Workflow> workflow_;
    const RunRecord& record_;
    core::Run run_;    // as the history says
    core::Run stored_; // as the document says
    std::string document_trouble_;
    std::string at_document_; // of run_, at the version of the document
    Examined examined_;
};

} // namespace

Outcome<Examined> examine(RunQueries& queries, const WorkflowOf& workflow_of,
                          const std::string& run_id) {
    BATON_ASSIGN(const auto record, queries.record(run_id));
    if (!record) return Examined{};
    const auto workflow = workflow_of(record->run);
    if (!workflow && workflow.error().code.category() == store_category()) return workflow.error();
    if (!workflow) {
        Examined nothing;
        nothing.findings.push_back({"definition", run_id, workflow.error().detail, false});
        return nothing;
    }
    BATON_ASSIGN(auto examined, Examination(queries, *workflow, *record).go());
    if (examined.findings.empty()) return examined;
    // Retention may have taken it meanwhile.
    BATON_ASSIGN(const auto still, queries.run_row(run_id));
    if (!still) return Examined{};
    return examined;
}

Outcome<std::shared_ptr<const core::Workflow>> Definitions::of(RunQueries& queries,
                                                               const StoredRun& run) {
    if (const auto known = known_.find(run.definition_id); known != known_.end())
        return known->second;
    BATON_ASSIGN(const auto versions, queries.definitions(run.workflow));
    const auto found =
        std::find_if(versions.begin(), versions.end(), [&](const StoredDefinition& one) {
            return one.definition_id == run.definition_id;
        });
    if (found == versions.end())
        return Failure{
            make_error_code(EngineErrc::unknown_workflow),
            fmt::format("version {} of workflow {}, with which it began, is not in the store",
                        run.workflow_version, run.workflow)};
    auto compiled = compile_(found->source, found->file_name);
    if (!compiled)
        return Failure{make_error_code(EngineErrc::bad_definition),
                       fmt::format("version {} of workflow {} is not understood any more: {}",
                                   found->version, found->name, compiled.error().detail)};
    (*compiled)->definition_id = found->definition_id;
    (*compiled)->version = found->version;
    core::link(**compiled);
    return known_[run.definition_id] = std::move(*compiled);
}

} // namespace baton::orchestrator::runtime
