#include "web/runs/store_writer.hpp"

#include <fmt/format.h>

#include <exception>
#include <string>

namespace baton::web {

using std::chrono::steady_clock;

StoreWriter::StoreWriter(Open open, std::chrono::milliseconds limit)
    : open_(std::move(open)), limit_(limit), thread_("store-writer", [this] { work(); }) {}

StoreWriter::~StoreWriter() {
    close();
    thread_.join();
}

void StoreWriter::close() {
    questions_.close();
    for (RunStore* store : opened_.take_now())
        store->interrupt(Duration::zero());
}

void StoreWriter::work() {
    while (!questions_.is_closed())
        for (const Asked& asked : questions_.take()) {
            if (questions_.is_closed() || steady_clock::now() >= asked.wanted_until) continue;
            if (!store_) {
                auto opened = open_();
                if (!opened) {
                    asked.refuse(opened.error());
                    continue;
                }
                store_ = std::move(*opened);
                opened_.put(store_.get());
            }
            try {
                asked.answer(*store_);
            } catch (const std::exception& failure) { // else it would end the process
                asked.refuse(
                    Failure{make_error_code(orchestrator::runtime::StoreErrc::refused),
                            std::string("a stored row cannot be read: ") + failure.what()});
            }
        }
}

Failure StoreWriter::late() const {
    return {
        make_error_code(orchestrator::runtime::StoreErrc::unavailable),
        fmt::format("the store did not answer within {} s; see /api/health and the server's log",
                    std::chrono::duration<double>(limit_).count())};
}

} // namespace baton::web
