// What the web itself writes into the store, on a thread and a store of its own beside the
// engine's: nothing of runs, which are the engine's alone. The store is opened with the first
// question.
//
//   auto kept = co_await writer.ask([answer](RunStore& store) { return store.keep_answer(answer);
//   });
//
// ask() belongs to the web's thread; a question runs on the writer's and must hold values. One that
// nobody waits for any more is not begun.
#pragma once

#include "base/mailbox.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "web/http/await_reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace baton::web {

class StoreWriter {
public:
    using RunStore = orchestrator::runtime::RunStore;
    using Open = std::function<Outcome<std::unique_ptr<RunStore>>()>;

    // `open` is called on the writer's thread, until it succeeds.
    StoreWriter(Open open, std::chrono::milliseconds limit);
    ~StoreWriter();
    StoreWriter(const StoreWriter&) = delete;
    StoreWriter& operator=(const StoreWriter&) = delete;

    // Any thread: answers nothing more and cuts off what is under way; the destructor waits for it.
    void close();

    template <typename Question>
    boost::asio::awaitable<std::invoke_result_t<Question, RunStore&>> ask(Question question) {
        using Answer = std::invoke_result_t<Question, RunStore&>;
        const auto until = std::chrono::steady_clock::now() + limit_;
        const auto start = [this, until, &question](std::function<void(Answer)> reply) {
            questions_.put({until, [question, reply](RunStore& store) { reply(question(store)); },
                            [reply](const Failure& failure) { reply(failure); }});
        };
        auto answer = co_await await_reply<Answer>(limit_, start);
        if (answer) co_return std::move(*answer);
        co_return late();
    }

private:
    struct Asked {
        std::chrono::steady_clock::time_point wanted_until;
        std::function<void(RunStore&)> answer;
        std::function<void(const Failure&)> refuse;
    };
    void work();
    Failure late() const;

    Open open_;
    std::chrono::milliseconds limit_;
    Mailbox<Asked> questions_;
    Mailbox<RunStore*> opened_;       // for who cuts off what is under way
    std::unique_ptr<RunStore> store_; // on the thread
    Thread thread_;
};

} // namespace baton::web
