// The verb doctor: is what the store keeps of runs as their histories say, and is every task that
// runs wait for in a queue? Of a running server by its API; of a stopped one in its store.
#include "base/clock.hpp"
#include "base/percent.hpp"
#include "base/printable.hpp"
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "server/doctor.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::cli {

namespace json = boost::json;

namespace {

struct DoctorValues {
    std::string run, config;
    bool as_json = false, repairs = false, stopped = false;
    std::uint32_t patience = 60; // seconds
};

// What was found, printed as it comes, or kept for one JSON document.
class Report {
public:
    explicit Report(bool as_json) : as_json_(as_json) {}

    void add(const std::string& kind, const std::string& run, const std::string& what,
             bool mendable, bool is_mended) {
        ++found_;
        if (is_mended) ++mended_;
        can_be_mended_ = can_be_mended_ || (mendable && !is_mended);
        findings_.push_back(json::object{{"kind", kind},
                                         {"run", run},
                                         {"what", what},
                                         {"mendable", mendable},
                                         {"mended", is_mended}});
        if (!as_json_)
            fmt::print("{:<12} {}{}{}\n", kind, run.empty() ? "" : run + "  ", printable(what),
                       is_mended ? "  (mended)" : "");
        std::fflush(stdout);
    }
    void note(const std::string& text) {
        notes_.emplace_back(text);
        if (!as_json_) fmt::print("note: {}\n", printable(text));
    }
    // The exit code.
    int close(std::size_t examined) const {
        if (as_json_)
            print_json(json::object{{"examined", examined},
                                    {"findings", findings_},
                                    {"mended", mended_},
                                    {"notes", notes_}});
        else if (found_ == 0)
            fmt::print("{} run(s) are as their histories say\n", examined);
        else
            fmt::print("{} run(s) examined, {} fault(s) found, {} mended{}\n", examined, found_,
                       mended_, can_be_mended_ ? "; --repair puts right what it can" : "");
        return found_ == mended_ ? exit_done : exit_failed;
    }

private:
    bool as_json_;
    bool can_be_mended_ = false;
    std::size_t found_ = 0, mended_ = 0;
    json::array findings_, notes_;
};

// ---- a running server ----

std::uint64_t number_of(const json::value& object, std::string_view key) {
    const auto* value = object.is_object() ? object.get_object().if_contains(key) : nullptr;
    ErrorCode error;
    return value == nullptr ? 0 : value->to_number<std::uint64_t>(error);
}

std::int64_t now_micros() {
    return micros_of(SystemClock{}.now());
}

class Visit {
public:
    Visit(Session& session, const DoctorValues& values)
        : session_(session), values_(values), api_(session.environment), report_(values.as_json) {}

    void make() {
        if (!look_at_runs()) return;
        if (values_.run.empty() && !look_at_indexes()) return;
        if (!look_at_tasks()) return;
        if (values_.run.empty()) look_at_reports();
        session_.exit_code = report_.close(examined_);
    }

private:
    bool look_at_runs() {
        if (!values_.run.empty()) {
            const auto run =
                expect(session_, api_.get("/api/runs/" + percent_encoded(values_.run)));
            if (!run) return false;
            const auto page =
                expect(session_, api_.get("/api/doctor/runs?run=" + member(*run, "id")));
            return page && take(*page);
        }
        std::string before;
        do {
            const auto page =
                expect(session_, api_.get(before.empty() ? "/api/doctor/runs"
                                                         : "/api/doctor/runs?before=" + before));
            if (!page || !take(*page)) return false;
            before = member(*page, "next");
        } while (!before.empty());
        return true;
    }

    bool take(const json::value& page) {
        examined_ += number_of(page, "examined");
        for (const auto& task : page.as_object().at("out").as_array())
            out_.push_back(task);
        std::map<std::string, std::vector<json::value>> by_run;
        for (const auto& one : page.as_object().at("findings").as_array())
            by_run[member(one, "run")].push_back(one);
        for (const auto& [run, findings] : by_run) {
            std::string what;
            for (const auto& one : findings)
                if (is_mendable(one)) what += (what.empty() ? "" : "; ") + member(one, "what");
            bool is_mended = false;
            if (values_.repairs && !what.empty()) {
                if (!mend(run, what, {}, is_mended)) return false;
            }
            for (const auto& one : findings)
                report_.add(member(one, "kind"), run, member(one, "what"), is_mendable(one),
                            is_mended && is_mendable(one));
        }
        return true;
    }

    static bool is_mendable(const json::value& finding) {
        return finding.as_object().at("mendable").as_bool();
    }

    // False: the server is out of reach.
    bool mend(const std::string& run, std::string what, const std::string& task, bool& is_mended) {
        constexpr std::size_t reason_max = 4000;
        if (what.size() > reason_max) what.resize(reason_max);
        json::object body{{"reason", what}};
        if (!task.empty()) body["tasks"] = json::array{json::value(task)};
        const auto done = api_.post("/api/runs/" + run + "/mend", body);
        is_mended = done && done->is_good();
        if (done && (done->is_good() || done->status == 409 || done->status == 404)) return true;
        return expect(session_, done).has_value();
    }

    bool look_at_indexes() {
        const auto faults = expect(session_, api_.get("/api/doctor/indexes"));
        if (!faults) return false;
        bool any = false;
        for (const auto& one : faults->as_object().at("findings").as_array()) {
            report_.add(member(one, "kind"), member(one, "run"), member(one, "what"), false, false);
            any = true;
        }
        if (any && values_.repairs)
            report_.note("what is kept beside the runs is put right with the server stopped: baton "
                         "doctor --stopped --repair");
        return true;
    }

    struct Queue {
        std::uint64_t waiting = 0;
        std::optional<std::uint64_t> with_workers; // nothing: an outside broker does not say
        std::uint64_t consumers = 0;
        // Whether every message of the queue is in one of these numbers.
        bool is_known() const { return with_workers || consumers == 0; }
        std::uint64_t all() const { return waiting + with_workers.value_or(0); }
    };

    std::optional<Queue> queue_of(const std::string& task) {
        Queue queue;
        const auto there = api_.get("/api/queues/%2F/" + percent_encoded("baton.task." + task));
        if (there && there->is_good()) {
            queue.waiting = number_of(there->body, "messages_ready");
            queue.with_workers = number_of(there->body, "messages_unacknowledged");
            queue.consumers = number_of(there->body, "consumers");
            return queue;
        }
        const auto look = api_.get("/api/tasks/" + percent_encoded(task));
        if (!look || !look->is_good()) return std::nullopt;
        queue.waiting = number_of(look->body, "waiting");
        queue.consumers = number_of(look->body, "workers");
        return queue;
    }

    // What is not published yet is in no queue, and not lost.
    bool is_all_published() {
        const auto metrics = api_.get("/api/metrics");
        return metrics && metrics->is_good() && number_of(metrics->body, "unpublished") == 0;
    }

    bool look_at_tasks() {
        std::map<std::string, std::vector<json::value>> by_task;
        const std::int64_t before = now_micros() - std::int64_t{values_.patience} * 1'000'000;
        for (const auto& one : out_)
            if (micros_from(member(one, "since")) <= before)
                by_task[member(one, "task")].push_back(one);
        if (by_task.empty()) return true;
        if (!is_all_published()) {
            report_.note("tasks are still on their way to the broker; whether all of them are "
                         "there was not looked at");
            return true;
        }
        for (auto& [task, waited] : by_task)
            if (!look_at_task(task, waited)) return false;
        return true;
    }

    bool look_at_task(const std::string& task, const std::vector<json::value>& waited) {
        const auto queue = queue_of(task);
        if (!queue) {
            report_.note(fmt::format("the queue of {} could not be looked at", task));
            return true;
        }
        if (!queue->is_known()) {
            if (queue->waiting == 0)
                report_.note(fmt::format("{} task(s) {} are with workers, or nowhere: the outside "
                                         "broker does not say which",
                                         waited.size(), task));
            return true;
        }
        std::vector<json::value> still;
        for (const auto& one : waited) {
            const auto is_out = is_still_out(one);
            if (!is_out) return false;
            if (*is_out) still.push_back(one);
        }
        // A queue may hold more than these: younger ones, and those of calls.
        if (still.size() <= queue->all()) return true;
        if (queue->all() > 0) {
            report_.add("task", {},
                        fmt::format("{} runs wait for {} for longer than {} s and its queue holds "
                                    "{}; which are lost shows when it is empty",
                                    still.size(), task, values_.patience, queue->all()),
                        false, false);
            return true;
        }
        for (const auto& one : still) {
            const auto what = fmt::format(
                "{} attempt {} waits since {} and no queue has its task {}", member(one, "step"),
                member(one, "attempt"), member(one, "since"), task);
            bool is_mended = false;
            if (values_.repairs &&
                !mend(member(one, "run"), what + "; sent again", task, is_mended))
                return false;
            report_.add("task", member(one, "run"), what, true, is_mended);
        }
        return true;
    }

    // Asked after the queue: what was done meanwhile is not lost. Nothing: the server is out of
    // reach.
    std::optional<bool> is_still_out(const json::value& task) {
        const auto page = expect(session_, api_.get("/api/doctor/runs?run=" + member(task, "run")));
        if (!page) return std::nullopt;
        const auto& out = page->as_object().at("out").as_array();
        return std::any_of(out.begin(), out.end(), [&](const auto& one) {
            return member(one, "step") == member(task, "step") &&
                   member(one, "attempt") == member(task, "attempt") &&
                   member(one, "since") == member(task, "since");
        });
    }

    void look_at_reports() {
        const auto queues = api_.get("/api/queues/%2F");
        if (!queues || !queues->is_good() || !queues->body.is_array()) return;
        for (const auto& queue : queues->body.get_array()) {
            const auto name = member(queue, "name");
            if (!name.starts_with("baton.report.")) continue;
            const auto ready = number_of(queue, "messages_ready");
            if (ready > 0 && number_of(queue, "consumers") == 0)
                report_.add(
                    "report", {},
                    fmt::format("{} report(s) of workers wait in {} and no orchestrator takes them",
                                ready, name),
                    false, false);
        }
    }

    Session& session_;
    const DoctorValues& values_;
    Api api_;
    Report report_;
    std::size_t examined_ = 0;
    std::vector<json::value> out_;
};

// ---- a stopped one ----

void examine_stopped(Session& session, const DoctorValues& values) {
    auto [config, complaints] = server::load_config(values.config, session.environment);
    for (const auto& complaint : complaints)
        complain(complaint);
    if (!complaints.empty()) {
        session.exit_code = exit_wrong_usage;
        return;
    }
    server::DoctorWish wish;
    wish.data_folder = config.data;
    wish.database_url = server::database_url(config);
    wish.run = values.run;
    wish.repairs = values.repairs;
    const char* user = std::getenv("USER"); // NOLINT(concurrency-mt-unsafe): one thread
    wish.actor =
        fmt::format("baton doctor{}{}", user != nullptr ? " of " : "", user != nullptr ? user : "");
    Report report(values.as_json);
    const auto done = server::examine_stopped(
        wish, [&](const orchestrator::runtime::Finding& one, bool is_mended) {
            report.add(one.kind, one.run_id, one.what, one.can_be_mended, is_mended);
        });
    if (!done) {
        complain(done.error().detail);
        const bool is_wish =
            done.error().code == make_error_code(boost::system::errc::invalid_argument);
        session.exit_code = is_wish ? exit_wrong_usage : exit_failed;
        return;
    }
    report.note("queues are looked at when the server runs: baton doctor");
    session.exit_code = report.close(done->examined);
}

} // namespace

void add_doctor_verb(CLI::App& app, Session& session) {
    auto values = std::make_shared<DoctorValues>();
    auto* verb = app.add_subcommand(
        "doctor", "Prove that what is stored of runs is as their histories say, and repair it");
    verb->add_option("RUN", values->run, "Only this run; an id or its first characters");
    verb->add_flag("--repair", values->repairs,
                   "Put right what can be; each repair is noted in the run's history");
    verb->add_flag("--stopped", values->stopped,
                   "Of a server that does not run: work on its store itself");
    verb->add_option("--config", values->config,
                     "With --stopped: configuration file (default: baton.toml if it is there)");
    verb->add_option("--patience", values->patience,
                     "A task that no queue has is lost after so many seconds")
        ->capture_default_str();
    verb->add_flag("--json", values->as_json, "Print JSON for scripts");
    verb->footer("Each run's history is applied again; the document, the row, the due time and the "
                 "open dead letters must agree\n"
                 "with it, or the last fact that speaks of the difference is named. Labels, keys "
                 "and letters of no run, tasks that\n"
                 "no queue has and reports that nobody takes are found, too. Nothing is changed "
                 "without --repair.\n\n"
                 "Exit codes: 0 nothing is wrong, or all of it was mended; 1 something is wrong; 2 "
                 "usage; 3 server out of reach\n\n"
                 "Examples:\n  baton doctor\n  baton doctor --repair\n  BATON_DATA=/var/lib/baton "
                 "baton doctor --stopped --repair");
    verb->callback([&session, values] {
        if (values->stopped)
            examine_stopped(session, *values);
        else
            Visit(session, *values).make();
    });
}

} // namespace baton::cli
