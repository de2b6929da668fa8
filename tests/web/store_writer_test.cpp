// The thread on which the web writes: what goes wrong in one question is that question's failure.
#include "tests/support/sim_store.hpp"
#include "web/runs/store_writer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace baton::web {
namespace {

namespace asio = boost::asio;
namespace runtime = orchestrator::runtime;
using namespace std::chrono_literals;

class StoreWriterTest : public testing::Test {
protected:
    template <typename Question>
    std::string ask(Question question) {
        std::string told;
        const auto asking = [&]() -> asio::awaitable<void> {
            const Outcome<bool> answer = co_await writer_.ask(question);
            told = answer ? "answered" : answer.error().detail;
        };
        io_.restart();
        asio::co_spawn(io_, asking(), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
        io_.run_for(10s);
        return told;
    }

    // Outlives the thread, which lets go of a question after it was answered.
    asio::io_context io_;
    test::SimDatabase database_;
    StoreWriter writer_{[this]() -> Outcome<std::unique_ptr<runtime::RunStore>> {
                            return std::make_unique<test::SimStore>(database_);
                        },
                        5s};
};

TEST_F(StoreWriterTest, AnExceptionFailsItsQuestionAndTheNextOneIsAnswered) {
    const auto broken = [](runtime::RunStore&) -> Outcome<bool> {
        throw std::runtime_error("no number in column 4");
    };
    EXPECT_EQ(ask(broken), "a stored row cannot be read: no number in column 4");
    EXPECT_EQ(ask([](runtime::RunStore&) -> Outcome<bool> { return true; }), "answered");
}

} // namespace
} // namespace baton::web
