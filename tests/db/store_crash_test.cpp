// What was reported as committed is there after kill -9, whole: of the process that committed, and
// of the database server. The disk is told to sync, as in a product.
#include "tests/db/store_kit.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::db::testing {

using baton::testing::Postgres;

// A child process that commits as fast as it can and reports the number of each commit through a
// pipe. Commit n makes run n and moves run n - 1 to version 2.
class CommittingChild {
public:
    explicit CommittingChild(const std::string& url, int first) {
        int ends[2];
        if (pipe(ends) != 0) throw std::runtime_error("no pipe");
        reports_ = ends[0];
        pid_ = fork();
        if (pid_ == 0) {
            close(ends[0]);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            commit_for_ever(url, first, ends[1]);
            _exit(0);
        }
        close(ends[1]);
    }
    ~CommittingChild() {
        kill_hard();
        close(reports_);
    }
    CommittingChild(const CommittingChild&) = delete;
    CommittingChild& operator=(const CommittingChild&) = delete;

    // The next report; 0 when the child is gone and everything was read.
    int next_report() const {
        int number = 0;
        return read(reports_, &number, sizeof number) == sizeof number ? number : 0;
    }

    void kill_hard() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

private:
    static void commit_for_ever(const std::string& url, int first, int reports) {
        auto store = open_store(url);
        if (!store) return;
        const Partition parts[] = {1};
        auto taken = (*store)->take_over(parts, "child");
        if (!taken) return;
        OwnedPartition owned = taken->at(0);
        for (int number = first;; ++number) {
            std::vector<RunChange> changes{birth(number, owned.pseq + 1)};
            if (number > first) changes.push_back(step(number - 1, 2, owned.pseq + 2));
            const auto committed = try_commit(**store, owned, std::move(changes));
            if (!committed || !committed->lost.empty()) return;
            if (write(reports, &number, sizeof number) != sizeof number) return;
        }
    }

    pid_t pid_ = 0;
    int reports_ = -1;
};

// Every reported commit is there; whatever is there is whole.
void expect_whole(const std::string& url, int first, int last_report) {
    const auto store = value_of(open_store(url));
    for (int number = first; number <= last_report; ++number) {
        const auto run = load_one(*store, number);
        ASSERT_TRUE(run.has_value()) << "run " << number << " of " << last_report << " is lost";
        if (number < last_report) ASSERT_EQ(run->version, 2U) << number;
    }
    const OwnedPartition owned = take(*store, 1);
    const auto history = value_of(store->history_above(1, 0, 1'000'000));
    ASSERT_FALSE(history.empty());
    EXPECT_EQ(history.back().pseq, owned.pseq);
    EXPECT_EQ(history.size(), owned.pseq) << "a transition without history";
    std::uint64_t versions = 0;
    const auto queries = value_of(open_queries(url));
    RunFilter all;
    all.limit = 1'000'000;
    for (const StoredRun& run : value_of(queries->runs(all)))
        versions += run.version;
    EXPECT_EQ(versions, history.size()) << "history without a transition";
}

void kill_the_committing_process(const std::string& url) {
    int first = 1;
    for (int round = 0; round < 3; ++round) {
        int last = 0;
        {
            CommittingChild child(url, first);
            while (last < first + 60) {
                const int report = child.next_report();
                ASSERT_NE(report, 0) << "the child gave up after " << last;
                last = report;
            }
            child.kill_hard();
            for (int report = child.next_report(); report != 0; report = child.next_report())
                last = report;
        }
        expect_whole(url, first, last);
        first = last + 100; // beyond what was committed and not reported any more
    }
}

TEST(StoreCrash, CommittedRunsSurviveTheKillOfTheProcessOnSqlite) {
    const Place place(Place::Kind::sqlite);
    kill_the_committing_process(place.url());
}

TEST(StoreCrash, CommittedRunsSurviveTheKillOfTheProcessOnPostgres) {
    Postgres server(Postgres::Disk::durable);
    kill_the_committing_process(server.new_database_url());
}

TEST(StoreCrash, CommittedRunsSurviveTheKillOfThePostgresServer) {
    Postgres server(Postgres::Disk::durable);
    const std::string url = server.new_database_url();
    int first = 1;
    for (int round = 0; round < 3; ++round) {
        int last = 0;
        {
            CommittingChild child(url, first);
            while (last < first + 60) {
                const int report = child.next_report();
                ASSERT_NE(report, 0) << "the child gave up after " << last;
                last = report;
            }
            server.kill_hard();
            for (int report = child.next_report(); report != 0; report = child.next_report())
                last = report;
        }
        server.start();
        expect_whole(url, first, last);
        first = last + 100;
    }
}

} // namespace baton::db::testing
