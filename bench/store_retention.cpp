// What commits wait while old runs are removed beside them: a hundred thousand finished runs of three transitions
// are written; then commits of twenty new runs are made, one every ten milliseconds, first alone, and then while
// the keeper removes the old ones on a store of its own. PostgreSQL is a throwaway server on this machine unless a
// URL is given; the disk is told to sync:
//   store_retention [RUNS] [URL...]
#include "base/clock.hpp"
#include "base/random.hpp"
#include "bench/each_store.hpp"
#include "db/open_store.hpp"
#include "orchestrator/retention_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace baton {
namespace {

using namespace orchestrator::runtime;
using std::chrono::steady_clock;

constexpr const char* source = "workflow = \"old\"\nretention = \"1d\"\n[[step]]\nid = \"a\"\nset = { n = 1 }\n";

double millis_since(steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

class Load {
public:
    Load(RunStore& store, OwnedPartition owned, std::string workflow) : store_(store), owned_(owned), workflow_(std::move(workflow)) {}

    // `count` runs that began at `at`, with all transitions of a finished run or only the first.
    bool commit(std::size_t count, Time at, bool to_the_end) {
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < count; ++i) ids.push_back(uuid_v7(millis_of(at), random_));
        for (std::uint64_t version = 1; version <= (to_the_end ? 3U : 1U); ++version) {
            Batch batch;
            for (const std::string& id : ids) batch.runs.push_back(change(id, version, at));
            // In the past everything was told to the broker.
            owned_.published = owned_.pseq;
            batch.fences = {owned_};
            const auto committed = store_.commit(batch);
            if (!committed || !committed->fenced.empty() || !committed->lost.empty()) return false;
        }
        return true;
    }

private:
    RunChange change(const std::string& id, std::uint64_t version, Time at) {
        const std::string document = "{\"text\":\"" + std::string(280, 'x') + "\"}";
        RunChange change;
        change.run_id = id;
        change.part = owned_.part;
        change.version = version;
        change.state = document;
        change.pseq = ++owned_.pseq;
        change.at = at;
        change.events = "[" + document + "]";
        if (version == 1) {
            change.created = NewRun{};
            change.created->workflow = workflow_;
            change.created->started_at = at;
            change.created->input = document;
            change.created->tags = {{"label.team", "ops"}, {"input.order", id}};
        }
        if (version == 3) {
            change.status = RunStatus::completed;
            change.closed_at = at + std::chrono::seconds(1);
            change.output = document;
        }
        return change;
    }

    RunStore& store_;
    OwnedPartition owned_;
    std::string workflow_;
    Random random_{entropy_seed()};
};

void say(const char* what, std::vector<double> times) {
    std::ranges::sort(times);
    const auto at = [&](double part) { return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))]; };
    fmt::print("  {:<16} {:>5} commits: p50 {:>6.2f}  p95 {:>6.2f}  p99 {:>6.2f}  largest {:>6.2f} ms\n", what, times.size(), at(0.5), at(0.95), at(0.99),
               times.back());
}

bool measure(const std::string& url, std::size_t runs) {
    auto store = db::open_store(url);
    if (!store) return fmt::print(stderr, "{}\n", store.error().detail), false;
    const Partition parts[] = {0, 1};
    auto owned = (*store)->take_over(parts, "bench");
    const SystemClock clock;
    const auto saved = (*store)->save_definition("old", source, "old.toml", std::string(32, 'o'), clock.now());
    if (!owned || !saved) return false;
    Load old(**store, owned->at(0), "old");
    const Time long_ago = clock.now() - std::chrono::hours(24 * 30);
    auto start = steady_clock::now();
    for (std::size_t i = 0; i < runs; i += 500)
        if (!old.commit(500, long_ago + std::chrono::milliseconds(i), true)) return false;
    fmt::print("{}: {} old runs written in {:.0f} s\n", url.substr(0, url.find(':')), runs, millis_since(start) / 1000);

    Load now(**store, owned->at(1), "new");
    std::vector<double> times;
    const auto commit_one = [&] {
        const auto begin = steady_clock::now();
        const bool well = now.commit(20, clock.now(), false);
        times.push_back(millis_since(begin));
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return well;
    };
    for (int i = 0; i < 500; ++i)
        if (!commit_one()) return false;
    say("alone", std::exchange(times, {}));
    auto queries = db::open_queries(url);
    if (!queries) return false;
    start = steady_clock::now();
    orchestrator::RetentionKeeper keeper({}, [&url] { return db::open_store(url); }, clock);
    RunFilter of_old;
    of_old.workflow = "old";
    of_old.limit = 1;
    for (int i = 1;; ++i) {
        if (!commit_one()) return false;
        if (i % 50 != 0) continue;
        const auto left = (*queries)->runs(of_old);
        if (!left || left->empty()) break;
    }
    say("while removing", times);
    fmt::print("  removed in {:.0f} s\n", millis_since(start) / 1000);
    return true;
}

int run(int argc, char** argv) {
    const std::size_t runs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
    return on_each_store({argv + std::min(argc, 2), argv + argc}, [runs](const std::string& url) { return measure(url, runs); });
}

} // namespace
} // namespace baton

int main(int argc, char** argv) {
    return baton::run(argc, argv);
}
