// Wakeups, timeouts, errors as values and I/O threads, on real event loops and sockets.
#include "base/bytes.hpp"
#include "base/mailbox.hpp"
#include "net/awaitable.hpp"
#include "net/io_threads.hpp"
#include "net/pipe.hpp"
#include "net/spin_policy.hpp"
#include "net/wakeup.hpp"
#include "net/within.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <array>
#include <exception>
#include <future>
#include <optional>
#include <string>
#include <string_view>

namespace baton::net {
namespace {

using asio::ip::tcp;
using namespace std::chrono_literals;

template <typename T>
Awaitable<void> keep_value(Awaitable<T> coroutine, std::optional<T>& value) {
    value = co_await std::move(coroutine);
}

// Runs one coroutine to its end and gives its value.
template <typename T>
T run(Awaitable<T> coroutine, asio::io_context& context) {
    std::optional<T> value;
    std::exception_ptr thrown;
    asio::co_spawn(context, keep_value(std::move(coroutine), value),
                   [&thrown](std::exception_ptr error) { thrown = error; });
    context.run();
    context.restart();
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
}

TEST(AsResult, AReadOfAClosedSocketIsAnErrorAndNoException) {
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    tcp::socket client(context);
    client.connect(acceptor.local_endpoint());
    acceptor.accept().close();

    std::array<char, 16> space{};
    const auto read = run(client.async_read_some(asio::buffer(space), as_result), context);

    ASSERT_FALSE(read);
    EXPECT_EQ(read.error(), asio::error::eof);
}

TEST(AsResult, AnOperationThatSucceedsGivesItsValue) {
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    tcp::socket client(context);
    client.connect(acceptor.local_endpoint());

    const auto accepted = run(acceptor.async_accept(as_result), context);
    const auto written =
        run(asio::async_write(client, asio::buffer("hello", 5), as_result), context);

    EXPECT_TRUE(accepted);
    ASSERT_TRUE(written);
    EXPECT_EQ(*written, 5u);
}

TEST(Wakeup, ASetBeforeTheWaitIsNotLost) {
    asio::io_context context(1);
    Wakeup wakeup(context.get_executor());
    wakeup.set();

    EXPECT_EQ(run(wakeup.wait(), context), Wakeup::Outcome::set);
    EXPECT_FALSE(wakeup.is_set());
}

TEST(Wakeup, WaitingEndsWhenTheFlagIsSet) {
    asio::io_context context(1);
    Wakeup wakeup(context.get_executor());
    asio::post(context, [&wakeup] { wakeup.set(); });

    EXPECT_EQ(run(wakeup.wait(), context), Wakeup::Outcome::set);
}

TEST(Wakeup, WaitingEndsWhenTheTimeIsOver) {
    asio::io_context context(1);
    Wakeup wakeup(context.get_executor());

    EXPECT_EQ(run(wakeup.wait_for(1ms), context), Wakeup::Outcome::timed_out);
}

Awaitable<int> count_waiters(Broadcast& broadcast, int& count) {
    if (co_await broadcast.wait()) ++count;
    co_return count;
}

TEST(Broadcast, WakesEverybodyWhoWaits) {
    asio::io_context context(1);
    Broadcast broadcast(context.get_executor());
    int count = 0;
    for (int waiter = 0; waiter < 3; ++waiter)
        asio::co_spawn(context, count_waiters(broadcast, count), [](std::exception_ptr, int) {});
    asio::post(context, [&broadcast] { broadcast.wake_all(); });

    context.run();

    EXPECT_EQ(count, 3);
}

Awaitable<Status> wait_as_status(Wakeup& wakeup) {
    const Wakeup::Outcome outcome = co_await wakeup.wait();
    if (outcome == Wakeup::Outcome::set) co_return Status();
    co_return asio::error::operation_aborted;
}

TEST(Within, AnOperationInTimeGivesItsOwnResult) {
    asio::io_context context(1);
    Wakeup wakeup(context.get_executor());
    asio::post(context, [&wakeup] { wakeup.set(); });

    EXPECT_TRUE(run(within(1min, wait_as_status(wakeup)), context));
}

TEST(Within, AnOperationThatTakesTooLongIsCancelledAndGivesTimedOut) {
    asio::io_context context(1);
    Wakeup wakeup(context.get_executor());

    const Status status = run(within(1ms, wait_as_status(wakeup)), context);

    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), boost::system::errc::timed_out);
}

std::string read_all(PipeEnd& end) {
    std::string text;
    std::array<std::byte, 7> space{};
    ErrorCode error;
    for (;;) {
        const std::size_t got = end.read_some(space, error);
        if (error) return text + (error == asio::error::eof ? "$" : "");
        text += as_text({space.data(), got});
    }
}

TEST(Pipe, WhatIsWrittenAtOneEndIsReadAtTheOtherInOrderBothWays) {
    asio::io_context context(1);
    auto [left, right] = PipeEnd::make_pair(context.get_executor());
    ErrorCode error;
    EXPECT_EQ(left->write_some(as_bytes("hello, "), error), 7u);
    EXPECT_EQ(left->write_some(as_bytes("you there"), error), 9u);
    EXPECT_EQ(right->write_some(as_bytes("yes?"), error), 4u);

    EXPECT_EQ(read_all(*right), "hello, you there");
    EXPECT_EQ(read_all(*left), "yes?");
    std::array<std::byte, 1> space{};
    EXPECT_EQ(right->read_some(space, error), 0u);
    EXPECT_EQ(error, asio::error::would_block);
}

TEST(Pipe, AFullOneBlocksItsWriterUntilHalfOfItIsRead) {
    asio::io_context context(1);
    auto [left, right] = PipeEnd::make_pair(context.get_executor(), 10);
    ErrorCode error;
    EXPECT_EQ(left->write_some(as_bytes("0123456789abc"), error), 10u);
    EXPECT_EQ(left->write_some(as_bytes("abc"), error), 0u);
    EXPECT_EQ(error, asio::error::would_block);
    int calls = 0;
    left->async_wait(PipeEnd::Way::writing, [&](const ErrorCode& failure) { calls += failure ? 100 : 1; });
    EXPECT_EQ(context.poll(), 0u);
    std::array<std::byte, 4> space{};
    right->read_some(space, error);
    EXPECT_EQ(context.poll(), 0u);
    context.restart();
    right->read_some(space, error);
    EXPECT_EQ(calls, 0) << "never from inside";
    context.poll();

    EXPECT_EQ(calls, 1);
    EXPECT_EQ(left->write_some(as_bytes("abc"), error), 3u);
    EXPECT_EQ(read_all(*right), "89abc");
}

TEST(Pipe, AMillionBytesGoThroughASmallWindowUnchanged) {
    asio::io_context context(1);
    auto [left, right] = PipeEnd::make_pair(context.get_executor(), 1000);
    std::string sent;
    for (int i = 0; sent.size() < 1'000'000; ++i) sent += std::to_string(i);
    std::string got;
    const auto write = [](PipeEnd& end, std::string_view text) -> Awaitable<bool> {
        while (!text.empty()) {
            ErrorCode error;
            const std::size_t wrote = end.write_some(as_bytes(text), error);
            text.remove_prefix(wrote);
            if (error == asio::error::would_block && !co_await end.wait(PipeEnd::Way::writing)) co_return false;
        }
        end.shutdown_send();
        co_return true;
    };
    const auto read = [](PipeEnd& end, std::string& all) -> Awaitable<bool> {
        while (!all.ends_with('$')) {
            all += read_all(end);
            if (!all.ends_with('$') && !co_await end.wait(PipeEnd::Way::reading)) co_return false;
        }
        co_return true;
    };
    asio::co_spawn(context, write(*left, sent), [](std::exception_ptr stray, bool) { EXPECT_FALSE(stray); });
    EXPECT_TRUE(run(read(*right, got), context));

    EXPECT_EQ(got, sent + "$");
}

TEST(Pipe, TheEndOfOneSideIsSeenByTheOther) {
    asio::io_context context(1);
    auto [left, right] = PipeEnd::make_pair(context.get_executor());
    ErrorCode error;
    left->write_some(as_bytes("bye"), error);
    std::optional<ErrorCode> waited;
    left->async_wait(PipeEnd::Way::reading, [&](const ErrorCode& failure) { waited = failure; });
    left->close();
    context.poll();

    ASSERT_TRUE(waited);
    EXPECT_EQ(*waited, asio::error::operation_aborted);
    EXPECT_EQ(read_all(*right), "bye$");
    EXPECT_EQ(right->write_some(as_bytes("?"), error), 0u);
    EXPECT_EQ(error, asio::error::broken_pipe);
    left.reset();
    std::optional<ErrorCode> readable;
    right->async_wait(PipeEnd::Way::reading, [&](const ErrorCode& failure) { readable = failure; });
    context.restart();
    context.poll();
    ASSERT_TRUE(readable) << "a wait for an end that is there already";
    EXPECT_FALSE(*readable);
}

TEST(Pipe, ACancelledCoroutineWaitsNoLonger) {
    asio::io_context context(1);
    auto [left, right] = PipeEnd::make_pair(context.get_executor());

    const Status status = run(within(1ms, left->wait(PipeEnd::Way::reading)), context);

    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), boost::system::errc::timed_out);
    ErrorCode error;
    right->write_some(as_bytes("late"), error);
    context.restart();
    context.poll();
    EXPECT_EQ(read_all(*left), "late");
}

TEST(IoThreads, EveryContextRunsOnItsOwnThread) {
    IoThreads threads("test", 2);
    std::promise<std::thread::id> first;
    std::promise<std::thread::id> second;

    asio::post(threads.context(0), [&first] { first.set_value(std::this_thread::get_id()); });
    asio::post(threads.context(1), [&second] { second.set_value(std::this_thread::get_id()); });

    EXPECT_NE(first.get_future().get(), second.get_future().get());
    threads.stop();
    threads.stop();
}

TEST(IoThreads, AThreadThatSpinsWorksWaitsForTimersSleepsAndEnds) {
    IoThreads threads("test", 1, std::chrono::microseconds(200));
    Mailbox<int> box;
    for (int round = 1; round <= 100; ++round) {
        boost::asio::post(threads.context(0), [&, round] { box.put(round); });
        EXPECT_EQ(box.take(std::chrono::seconds(10)), std::vector<int>{round});
    }
    boost::asio::steady_timer timer(threads.context(0), std::chrono::milliseconds(20));
    timer.async_wait([&](const ErrorCode&) { box.put(101); });
    EXPECT_EQ(box.take(std::chrono::seconds(10)), std::vector<int>{101});
    timer.expires_after(std::chrono::milliseconds(20));
    timer.async_wait([&](const ErrorCode&) { box.put(102); });

    threads.drain();

    EXPECT_EQ(box.take_now(), std::vector<int>{102});
}

TEST(SpinPolicy, SpinsAsLongAsItPaysAndRarelyWhenItDoesNot) {
    SpinPolicy policy;
    for (int sleep = 0; sleep < 1000; ++sleep) {
        ASSERT_TRUE(policy.should_spin());
        policy.found_something();
    }
    int spins = 0;
    for (int sleep = 0; sleep < 6400; ++sleep)
        if (policy.should_spin()) {
            ++spins;
            policy.found_nothing();
        }
    EXPECT_GE(spins, 100);
    EXPECT_LE(spins, 106);
    for (int sleep = 0; sleep <= SpinPolicy::pause_max; ++sleep)
        if (policy.should_spin()) policy.found_something();
    EXPECT_TRUE(policy.should_spin()) << "it pays again";
}

TEST(IoThreads, DrainWaitsForWorkThatIsLeft) {
    IoThreads threads("test", 1);
    bool done = false;
    asio::post(threads.context(0),
               [&threads, &done] { asio::post(threads.context(0), [&done] { done = true; }); });

    threads.drain();

    EXPECT_TRUE(done);
}

} // namespace
} // namespace baton::net
