#include "web/runs/store_reader.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace baton::web {
namespace {

namespace asio = boost::asio;
namespace runtime = orchestrator::runtime;
using ::testing::HasSubstr;

// Answers how many dead letters were asked for; dead letter 1 is never answered until somebody
// interrupts, dead letter 2 cannot be read.
class Store final : public runtime::RunQueries {
public:
    Outcome<std::optional<runtime::DeadLetter>> dead_letter(std::uint64_t id) override {
        if (id == 2) throw std::runtime_error("no such letter of the alphabet");
        if (id == 1 && interrupted_.take().empty()) return std::nullopt;
        if (id == 1) return Failure{make_error_code(runtime::StoreErrc::unavailable), "cut off"};
        return std::nullopt;
    }
    void interrupt(Duration) override { interrupted_.put(1); }

    Outcome<std::vector<runtime::StoredRun>> runs(const runtime::RunFilter&) override { return none<runtime::StoredRun>(); }
    Outcome<runtime::RunPage> search(const runtime::RunSearch&, const std::string&, std::size_t) override { return runtime::RunPage{}; }
    Outcome<runtime::RunTotals> totals(const runtime::RunSearch&) override { return runtime::RunTotals{}; }
    Outcome<std::optional<runtime::RunDetails>> run(const std::string&) override { return std::nullopt; }
    Outcome<std::optional<runtime::StoredRun>> run_row(const std::string&) override { return std::nullopt; }
    Outcome<runtime::HistoryPage> history_after(const std::string&, std::uint64_t, std::size_t) override { return runtime::HistoryPage{}; }
    Outcome<std::vector<runtime::RunCount>> counts() override { return none<runtime::RunCount>(); }
    Outcome<std::vector<runtime::DeadLetter>> dead_letters(const runtime::DeadLetterFilter&) override {
        return none<runtime::DeadLetter>();
    }
    Outcome<std::vector<runtime::DeadGroup>> dead_groups(std::optional<runtime::DeadLetterState>, std::size_t) override {
        return none<runtime::DeadGroup>();
    }
    Outcome<std::vector<runtime::DeadJob>> dead_jobs(std::optional<std::uint64_t>, std::size_t) override {
        return none<runtime::DeadJob>();
    }
    Outcome<std::vector<runtime::StoredDefinition>> definitions(const std::string&) override {
        return none<runtime::StoredDefinition>();
    }

private:
    template <typename Row>
    static std::vector<Row> none() {
        return {};
    }

    Mailbox<int> interrupted_;
};

class StoreReaderTest : public ::testing::Test {
protected:
    void make(std::size_t threads, std::chrono::milliseconds limit) {
        std::vector<std::unique_ptr<runtime::RunQueries>> sessions;
        for (std::size_t i = 0; i < threads; ++i) sessions.push_back(std::make_unique<Store>());
        reader_ = std::make_unique<StoreReader>(std::move(sessions), "postgresql://db/runs", limit);
    }

    static asio::awaitable<void> ask_for(StoreReader& reader, std::uint64_t id, std::string& answer) {
        const auto found = co_await reader.ask([id](runtime::RunQueries& queries) { return queries.dead_letter(id); });
        answer = found ? "answered" : found.error().detail;
    }

    // Fails when `answer` has not been written within a time that no healthy reader needs.
    std::string ask(std::uint64_t id) {
        std::string answer;
        start(id, answer);
        io_.restart();
        io_.run_for(std::chrono::seconds(20));
        return answer;
    }
    void start(std::uint64_t id, std::string& answer) {
        asio::co_spawn(io_, ask_for(*reader_, id, answer), [](const std::exception_ptr& stray) {
            if (stray) std::rethrow_exception(stray);
        });
    }

    asio::io_context io_{1};
    std::unique_ptr<StoreReader> reader_;
};

TEST_F(StoreReaderTest, AReadThatHangsIsAnsweredInTimeAndItsThreadIsFreeAgain) {
    make(1, std::chrono::milliseconds(50));

    EXPECT_THAT(ask(1), HasSubstr("postgresql://db/runs did not answer within 0.05 s"));
    EXPECT_EQ(ask(3), "answered");
}

TEST_F(StoreReaderTest, OneReadThatHangsKeepsNobodyElseWaiting) {
    make(2, std::chrono::seconds(10));
    std::string hanging;
    start(1, hanging);
    std::string other;
    start(3, other);

    while (other.empty() && io_.run_one_for(std::chrono::seconds(5)) > 0) {}

    EXPECT_EQ(other, "answered");
    EXPECT_EQ(hanging, "");
}

TEST_F(StoreReaderTest, AStoredRowThatCannotBeReadIsAFailureWithItsReason) {
    make(1, std::chrono::seconds(10));

    EXPECT_THAT(ask(2), HasSubstr("no such letter of the alphabet"));
    EXPECT_EQ(ask(3), "answered");
}

asio::awaitable<void> wait_for_what_throws(std::string& what) {
    try {
        co_await await_reply<int>(std::chrono::seconds(10), [](auto) { throw std::runtime_error("on purpose"); });
    } catch (const std::runtime_error& failure) {
        what = failure.what();
    }
}

TEST(AwaitReply, WhatBeginsTheWaitMayThrowWithoutEndingTheLoop) {
    asio::io_context io;
    std::string what;
    asio::co_spawn(io, wait_for_what_throws(what), [](const std::exception_ptr&) {});

    EXPECT_NO_THROW(io.run_for(std::chrono::seconds(20)));

    EXPECT_EQ(what, "on purpose");
}

} // namespace
} // namespace baton::web
