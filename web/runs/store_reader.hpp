// Reads the store for HTTP requests on threads of its own: a database that answers late, or never,
// keeps its own askers waiting and nobody else. Who asks gets the answer, or within the limit a
// failure that names the store; the read that hung is cut off then, so that its thread is free.
//
//   auto found = co_await reader.ask([id](RunQueries& queries) { return queries.run(id); });
//
// ask() belongs to the web's thread; a question runs on one of the reader's and must hold values.
#pragma once

#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "web/http/await_reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace baton::web {

class StoreReader {
public:
    using RunQueries = orchestrator::runtime::RunQueries;

    // One thread for each of `sessions`. `store` names the store in failures.
    // `seconds` hears how long each answer took.
    StoreReader(std::vector<std::unique_ptr<RunQueries>> sessions, std::string store,
                std::chrono::milliseconds limit, Histogram* seconds = nullptr);
    ~StoreReader();
    StoreReader(const StoreReader&) = delete;
    StoreReader& operator=(const StoreReader&) = delete;

    // Any thread: answers nothing more and cuts off what is under way; the destructor waits for it.
    void close();

    template <typename Question>
    boost::asio::awaitable<std::invoke_result_t<Question, RunQueries&>> ask(Question question) {
        using Answer = std::invoke_result_t<Question, RunQueries&>;
        Reader& reader = least_busy();
        if (reader.waiting.value() >= waiting_max) co_return late();
        const auto start = [&reader, &question, limit = limit_](std::function<void(Answer)> reply) {
            put(reader, limit, [question, reply = std::move(reply)](RunQueries& queries) {
                reply(answer_of<Answer>(question, queries));
            });
        };
        auto answer = co_await await_reply<Answer>(limit_, start);
        if (answer) co_return std::move(*answer);
        reader.queries->interrupt(limit_);
        co_return late();
    }

private:
    // Behind so many a question would be late anyway.
    static constexpr std::int64_t waiting_max = 256;

    struct Asked {
        std::chrono::steady_clock::time_point wanted_until; // nobody waits for the answer any more
        std::function<void(RunQueries&)> answer;
    };
    struct Reader {
        std::unique_ptr<RunQueries> queries;
        Mailbox<Asked> mailbox;
        Gauge waiting; // questions that were put and not answered
        Histogram* seconds = nullptr;
        Thread thread;
    };

    template <typename Answer, typename Question>
    static Answer answer_of(const Question& question, RunQueries& queries) {
        try {
            return question(queries);
        } catch (const std::exception& failure) {
            return Failure{make_error_code(orchestrator::runtime::StoreErrc::refused),
                           std::string("a stored row cannot be read: ") + failure.what()};
        }
    }

    static void put(Reader& reader, std::chrono::milliseconds limit, std::function<void(RunQueries&)> answer);
    static void work(Reader& reader);
    Reader& least_busy();
    Failure late() const;

    std::string store_;
    std::chrono::milliseconds limit_;
    std::vector<std::unique_ptr<Reader>> readers_;
};

} // namespace baton::web
