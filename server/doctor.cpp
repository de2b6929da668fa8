#include "server/doctor.hpp"

#include "base/clock.hpp"
#include "broker/journal/posix_file.hpp"
#include "db/open_store.hpp"
#include "orchestrator/orchestrator_service.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <optional>
#include <thread>
#include <utility>

namespace baton::server {

namespace runtime = orchestrator::runtime;

namespace {

constexpr std::size_t page_runs = 500;
constexpr std::size_t faults_max = 1000;
constexpr std::chrono::seconds doctor_patience{30};

// An engine that tells nobody and hears nobody: what it writes is what the next server goes on
// from. It owns the partitions, so that a server which works after all notices.
class Mender {
public:
    Mender(runtime::RunStore& store, std::uint16_t partitions)
        : engine_(options(partitions), store, clock_, orchestrator::compile_definition,
                  {.tell = [](const runtime::Told&) {}}) {
        engine_.hear_workers(false); // so that no clock runs out
    }

    Outcome<void> mend(const std::string& run_id, const std::string& what,
                       const std::string& actor) {
        std::optional<Outcome<runtime::RunChanged>> answer;
        engine_.operate(
            run_id, orchestrator::core::RunMended{what}, what,
            [&answer](const Outcome<runtime::RunChanged>& done) { answer = done; }, actor);
        const auto until = std::chrono::steady_clock::now() + doctor_patience;
        while (!answer) {
            if (engine_.work()) continue;
            if (std::chrono::steady_clock::now() > until) {
                engine_.stop();
                return Failure{runtime::StoreErrc::unavailable,
                               "the database did not take a repair in time"};
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        if (!*answer) return answer->error();
        return boost::system::in_place_value;
    }

private:
    static runtime::EngineOptions options(std::uint16_t partitions) {
        runtime::EngineOptions made;
        made.partitions.clear();
        for (std::uint16_t part = 0; part < partitions; ++part)
            made.partitions.push_back(part);
        made.partition_count = partitions;
        made.node = "baton doctor";
        return made;
    }

    SystemClock clock_;
    runtime::Engine engine_;
};

class Visit {
public:
    Visit(const DoctorWish& wish, runtime::RunQueries& queries, Mender& mender,
          const std::function<void(const runtime::Finding&, bool)>& said)
        : wish_(wish), queries_(queries), mender_(mender), said_(said) {}

    Outcome<void> look_at(const std::string& run_id) {
        ++report.examined;
        const auto workflow_of = [this](const runtime::StoredRun& run) {
            return definitions_.of(queries_, run);
        };
        BATON_ASSIGN(auto examined, runtime::examine(queries_, workflow_of, run_id));
        std::string what;
        for (const auto& one : examined.findings)
            if (one.can_be_mended) what += (what.empty() ? "" : "; ") + one.what;
        bool is_mended = false;
        if (wish_.repairs && !what.empty()) {
            if (const auto done = mender_.mend(run_id, what, wish_.actor); done)
                is_mended = true;
            else if (done.error().code.category() == runtime::store_category())
                return done.error();
        }
        for (auto& one : examined.findings)
            say(std::move(one), is_mended);
        return boost::system::in_place_value;
    }

    Outcome<void> look_at_all() {
        runtime::RunFilter filter;
        filter.limit = page_runs;
        while (true) {
            BATON_ASSIGN(const auto runs, queries_.runs(filter));
            for (const auto& run : runs)
                BATON_TRY(look_at(run.run_id));
            if (runs.size() < page_runs) return boost::system::in_place_value;
            filter.before_run_id = runs.back().run_id;
        }
    }

    void say(runtime::Finding finding, bool is_mended) {
        said_(finding, is_mended && finding.can_be_mended);
        if (is_mended && finding.can_be_mended) ++report.mended;
        report.findings.push_back(std::move(finding));
    }

    DoctorReport report;

private:
    const DoctorWish& wish_;
    runtime::RunQueries& queries_;
    Mender& mender_;
    const std::function<void(const runtime::Finding&, bool)>& said_;
    runtime::Definitions definitions_{orchestrator::compile_definition};
};

} // namespace

Outcome<DoctorReport>
examine_stopped(const DoctorWish& wish,
                const std::function<void(const runtime::Finding&, bool)>& said) {
    const auto lock = broker::journal::DataFolderLock::take(wish.data_folder);
    if (!lock)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       lock.error().detail +
                           "; leave --stopped out to ask the server that works there"};
    BATON_ASSIGN(const auto store, db::open_store(wish.database_url));
    BATON_ASSIGN(const auto queries, db::open_queries(wish.database_url));
    BATON_ASSIGN(const auto partitions, store->partition_count());
    Mender mender(*store, static_cast<std::uint16_t>(std::max<std::uint32_t>(partitions, 1)));
    Visit visit(wish, *queries, mender, said);
    if (!wish.run.empty()) {
        BATON_ASSIGN(const auto found, queries->run_row(wish.run));
        if (!found)
            return Failure{make_error_code(boost::system::errc::invalid_argument),
                           fmt::format("there is no run '{}'", wish.run)};
        BATON_TRY(visit.look_at(found->run_id));
        return std::move(visit.report);
    }
    BATON_TRY(visit.look_at_all());
    BATON_ASSIGN(const auto faults, queries->index_faults(faults_max));
    const bool mends = wish.repairs && !faults.empty();
    if (mends) {
        BATON_ASSIGN(visit.report.mended_rows,
                     store->mend_indexes({wish.actor, "of no run; found by baton doctor"},
                                         SystemClock{}.now()));
    }
    for (const auto& one : faults)
        visit.say({one.kind, one.run_id, one.what, one.kind != "file"}, mends);
    return std::move(visit.report);
}

} // namespace baton::server
