// Backups that end, that fail, and one that hangs in a call of the system while the server stops.
#include "server/backups.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace baton::server {
namespace {

using namespace std::chrono_literals;

struct Answers {
    Backups::Reply reply() {
        return [this](Outcome<BackupReport> done) { box.put(std::move(done)); };
    }
    Outcome<BackupReport> next() {
        auto all = box.take(10s);
        if (all.empty()) return Failure{make_error_code(boost::system::errc::timed_out), "no answer"};
        return std::move(all.front());
    }
    Mailbox<Outcome<BackupReport>> box;
};

// The journal as the server has it: whether it is held at the moment.
struct Journal {
    BackupSource source() {
        return {"", "", HeldJournal{[this] { return hold(); }, [this] { holds.put(false); }}, ""};
    }
    Outcome<std::vector<broker::JournalFile>> hold() {
        holds.put(true);
        return std::vector<broker::JournalFile>{{"segment-1", 7}};
    }
    std::vector<bool> calls() { return holds.take_now(); }
    Mailbox<bool> holds;
};

TEST(Backups, TheJournalIsHeldWhileItIsCopied) {
    Journal journal;
    Answers answers;
    Backups backups(journal.source(), [](const BackupSource& source, const std::string& folder, const auto&) -> Outcome<BackupReport> {
        BATON_ASSIGN(const auto files, source.journal->hold());
        source.journal->release();
        BackupReport report;
        report.folder = folder;
        report.journal_bytes = files.front().bytes;
        return report;
    });

    backups.ask("/there", answers.reply());

    const auto done = answers.next();
    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(done->folder, "/there");
    EXPECT_EQ(done->journal_bytes, 7U);
    backups.stop(10s);
    EXPECT_EQ(journal.calls(), (std::vector<bool>{true, false}));
    EXPECT_FALSE(backups.left_one_behind());
}

TEST(Backups, ACopyThatLooksIsWaitedFor) {
    Journal journal;
    Answers answers;
    Mailbox<int> began;
    Backups backups(journal.source(), [&began](const BackupSource&, const std::string&, const auto& is_given_up) -> Outcome<BackupReport> {
        began.put(1);
        while (!is_given_up()) ::usleep(1000);
        return Failure{make_error_code(boost::system::errc::operation_canceled), "given up"};
    });
    backups.ask("/there", answers.reply());
    ASSERT_FALSE(began.take(10s).empty());
    backups.ask("/never", answers.reply());

    backups.stop(10s);

    std::vector<std::string> told;
    for (const auto& answer : answers.box.take_now()) told.push_back(answer.error().detail);
    ASSERT_EQ(told.size(), 2U) << "who waited is told, too";
    EXPECT_EQ(told.front(), "given up");
    EXPECT_FALSE(backups.left_one_behind());
}

TEST(Backups, AStopLeavesBehindWhatHangsInAFileSystem) {
    std::string folder = (std::filesystem::temp_directory_path() / "baton-hangs-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string pipe = folder + "/pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    Answers answers;
    Journal journal;
    auto ended = std::make_shared<Mailbox<int>>();
    {
        Backups backups(journal.source(), [pipe, ended](const BackupSource& source, const std::string&, const auto&) -> Outcome<BackupReport> {
            BATON_TRY(source.journal->hold());
            // Nobody writes: the kernel keeps the thread here.
            ::close(::open(pipe.c_str(), O_RDONLY));
            source.journal->release();
            const bool hears = source.journal->hold().has_value();
            ended->put(hears ? 1 : 0);
            return BackupReport{};
        });
        backups.ask("/there", answers.reply());
        ASSERT_FALSE(journal.holds.take(10s).empty());

        const auto began = std::chrono::steady_clock::now();
        backups.stop(200ms);

        EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
        EXPECT_TRUE(backups.left_one_behind());
        EXPECT_EQ(answers.next().error().code, boost::system::errc::operation_canceled);
        EXPECT_EQ(journal.calls(), std::vector<bool>{false}) << "the journal goes on";
    }
    // It comes back when everything it was made for is gone.
    const int writer = ::open(pipe.c_str(), O_WRONLY);
    ::close(writer);
    EXPECT_EQ(ended->take(10s), std::vector<int>{0});
    EXPECT_TRUE(journal.calls().empty());
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace baton::server
