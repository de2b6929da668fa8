// How many transitions a second the stores take, by size of batch: runs of three transitions
// (birth, step, end) with documents of 300 bytes and an alarm set at the birth and deleted at the
// end. The disk is told to sync. PostgreSQL is a throwaway server on this machine unless a URL is
// given:
//   store_commit [SECONDS] [URL...]
#include "base/clock.hpp"
#include "base/random.hpp"
#include "bench/each_store.hpp"
#include "db/open_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace baton {
namespace {

using namespace orchestrator::runtime;
using std::chrono::steady_clock;

// CPU of this process alone: all there is for SQLite, the client's part for PostgreSQL.
double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double seconds_since(steady_clock::time_point start) {
    return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::string document(std::uint64_t number) {
    return fmt::format(R"({{"number":{},"text":"{}"}})", number, std::string(270, 'x'));
}

// Makes batches: the first holds births, the next two move the same runs on, and so on.
class Load {
public:
    Load(OwnedPartition owned, std::size_t batch_size) : owned_(owned), size_(batch_size) {}

    Batch next() {
        if (version_ == 0) {
            run_ids_.clear();
            const Time now = SystemClock().now();
            for (std::size_t run = 0; run < size_; ++run)
                run_ids_.push_back(uuid_v7(millis_of(now), random_));
        }
        ++version_;
        Batch batch;
        for (const std::string& run_id : run_ids_)
            batch.runs.push_back(change(run_id));
        batch.fences = {owned_};
        if (version_ == 3) version_ = 0;
        return batch;
    }

private:
    RunChange change(const std::string& run_id) {
        RunChange change;
        change.run_id = run_id;
        change.part = owned_.part;
        change.version = version_;
        change.state = document(owned_.pseq);
        change.pseq = ++owned_.pseq;
        change.at = SystemClock().now();
        change.events = "[" + document(change.pseq) + "]";
        if (version_ == 1) {
            NewRun created;
            created.definition_id = 1;
            created.workflow = "provision-user";
            created.workflow_version = 1;
            created.started_at = change.at;
            created.input = document(0);
            change.created = created;
            change.alarm = AlarmChange{change.at + std::chrono::seconds(60)};
        }
        if (version_ == 3) {
            change.status = RunStatus::completed;
            change.closed_at = change.at;
            change.output = document(1);
            change.alarm = AlarmChange{};
        }
        return change;
    }

    OwnedPartition owned_;
    std::size_t size_;
    std::uint64_t version_ = 0;
    std::vector<std::string> run_ids_;
    Random random_{entropy_seed()};
};

bool measure(const std::string& url, std::size_t batch_size, double seconds) {
    auto store = db::open_store(url);
    if (!store) {
        fmt::print(stderr, "{}\n", store.error().detail);
        return false;
    }
    const Partition parts[] = {static_cast<Partition>(batch_size % 64)};
    auto owned = (*store)->take_over(parts, "bench");
    if (!owned) return false;
    Load load(owned->at(0), batch_size);
    std::uint64_t commits = 0;
    const double cpu_before = cpu_seconds();
    const auto start = steady_clock::now();
    while (seconds_since(start) < seconds) {
        const auto committed = (*store)->commit(load.next());
        if (!committed || !committed->fenced.empty() || !committed->lost.empty()) {
            fmt::print(stderr, "{}\n", committed ? "lost" : committed.error().detail);
            return false;
        }
        ++commits;
    }
    const double took = seconds_since(start);
    const auto transitions = static_cast<double>(commits * batch_size);
    fmt::print(
        "{:<11} batch {:>3} {:>8.0f} commits/s {:>8.0f} transitions/s {:>6.1f} us CPU each\n",
        url.substr(0, url.find(':')), batch_size, static_cast<double>(commits) / took,
        transitions / took, (cpu_seconds() - cpu_before) * 1e6 / transitions);
    return true;
}

int run(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
    return on_each_store({argv + std::min(argc, 2), argv + argc}, [seconds](const std::string& url) {
        bool well = true;
        for (const std::size_t batch_size : {1U, 50U, 200U, 500U})
            well = measure(url, batch_size, seconds) && well;
        return well;
    });
}

} // namespace
} // namespace baton

int main(int argc, char** argv) {
    return baton::run(argc, argv);
}
