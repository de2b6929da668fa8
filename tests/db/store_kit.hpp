// What the tests of stores share: a temporary folder, a place that opens stores of one kind, and
// short ways to make batches.
#pragma once

#include "db/open_store.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/sim_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace baton::db::testing {

using namespace orchestrator::runtime;

// Removed with everything in it.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string file(std::string_view name) const { return (path_ / name).string(); }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// A new database of the kind the suite is run for, and connections to it.
class Place {
public:
    enum class Kind : std::uint8_t { sqlite, postgres, simulated };

    explicit Place(Kind kind);

    std::unique_ptr<RunStore> store() const;
    // Not of the simulated store.
    std::unique_ptr<RunQueries> queries() const;
    const std::string& url() const { return url_; }

private:
    TemporaryFolder folder_;
    std::string url_;
    std::unique_ptr<test::SimDatabase> simulated_;
};

// The value, or a failed test with the sentence of the failure.
template <typename T>
T value_of(Outcome<T> outcome) {
    if (!outcome) {
        ADD_FAILURE() << outcome.error().detail;
        throw std::runtime_error(outcome.error().detail);
    }
    return std::move(*outcome);
}

// The n-th run id, in the order of time.
std::string run_id(int number);
Time time_at(int second);

// The first and a later transition of a run of workflow "greet".
RunChange birth(int run, std::uint64_t pseq);
RunChange step(int run, std::uint64_t version, std::uint64_t pseq);
DeadLetter letter(int run, const std::string& step);

OwnedPartition take(RunStore& store, Partition part);

// Commits with the partition's cursor at the highest pseq of the changes.
Outcome<Committed> try_commit(RunStore& store, OwnedPartition& owned, std::vector<RunChange> runs);
Committed commit(RunStore& store, OwnedPartition& owned, std::vector<RunChange> runs);

std::optional<StoredRun> load_one(RunStore& store, int run);

} // namespace baton::db::testing
