#include "web/runs/store_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

using std::chrono::steady_clock;

StoreReader::StoreReader(std::vector<std::unique_ptr<RunQueries>> sessions, std::string store,
                         std::chrono::milliseconds limit, Histogram* seconds)
    : store_(std::move(store)), limit_(limit) {
    for (auto& session : sessions) {
        auto& reader = *readers_.emplace_back(std::make_unique<Reader>());
        reader.queries = std::move(session);
        reader.seconds = seconds;
        reader.thread = Thread("store-reader", [&reader] { work(reader); });
    }
}

StoreReader::~StoreReader() {
    close();
    for (const auto& reader : readers_) reader->thread.join();
}

void StoreReader::close() {
    for (const auto& reader : readers_) reader->mailbox.close();
    for (const auto& reader : readers_) reader->queries->interrupt(Duration::zero());
}

void StoreReader::put(Reader& reader, std::chrono::milliseconds limit, std::function<void(RunQueries&)> answer) {
    reader.waiting.add(1);
    reader.mailbox.put({steady_clock::now() + limit, std::move(answer)});
}

void StoreReader::work(Reader& reader) {
    for (;;) {
        const auto questions = reader.mailbox.take();
        if (questions.empty() && reader.mailbox.is_closed()) return;
        for (const Asked& asked : questions) {
            const bool is_wanted = !reader.mailbox.is_closed() && steady_clock::now() < asked.wanted_until;
            const auto began = steady_clock::now();
            if (is_wanted) asked.answer(*reader.queries);
            if (is_wanted && reader.seconds != nullptr)
                reader.seconds->note(std::chrono::duration_cast<Duration>(steady_clock::now() - began).count());
            reader.waiting.add(-1);
        }
    }
}

StoreReader::Reader& StoreReader::least_busy() {
    return **std::ranges::min_element(readers_, {}, [](const auto& reader) { return reader->waiting.value(); });
}

Failure StoreReader::late() const {
    return {make_error_code(orchestrator::runtime::StoreErrc::unavailable),
            fmt::format("the store {} did not answer within {} s; see /api/health and the server's log", store_,
                        std::chrono::duration<double>(limit_).count())};
}

} // namespace baton::web
