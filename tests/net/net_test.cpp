// Wakeups, timeouts, errors as values and I/O threads, on real event loops and sockets.
#include "base/mailbox.hpp"
#include "net/awaitable.hpp"
#include "net/io_threads.hpp"
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
