// Two buffers, and who waits for them.
#include "net/pipe.hpp"

#include "net/wakeup.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace baton::net {
namespace {

// What a burst has left behind is given back.
constexpr std::size_t kept_bytes = std::size_t{64} << 10;

} // namespace

struct PipeEnd::Shared {
    // From one side to the other.
    struct Stream {
        std::vector<std::byte> bytes;
        std::size_t read = 0;   // of them
        bool is_ended = false;  // nothing more is written
        bool is_unread = false; // nobody reads it any more
        Handler reader;
        Handler writer;
        Wakeup readable;
        Wakeup writable;

        explicit Stream(const asio::any_io_executor& executor)
            : readable(executor), writable(executor) {}
        std::size_t size() const { return bytes.size() - read; }
    };

    Shared(const asio::any_io_executor& place, std::size_t most)
        : executor(place), window(most), streams{Stream(place), Stream(place)} {}

    Stream& from(int side) { return streams[static_cast<std::size_t>(side)]; }
    Stream& to(int side) { return streams[static_cast<std::size_t>(1 - side)]; }
    bool is_readable(const Stream& stream) const {
        return stream.size() != 0 || stream.is_ended || stream.is_unread;
    }
    bool is_writable(const Stream& stream) const {
        return stream.size() < window || stream.is_ended || stream.is_unread;
    }
    void call(Handler& waiting, const ErrorCode& error = {}) const {
        if (!waiting) return;
        asio::post(executor, [handler = std::exchange(waiting, {}), error] { handler(error); });
    }

    asio::any_io_executor executor;
    std::size_t window;
    std::array<Stream, 2> streams;
};

std::pair<std::unique_ptr<PipeEnd>, std::unique_ptr<PipeEnd>>
PipeEnd::make_pair(const asio::any_io_executor& executor, std::size_t window) {
    auto shared = std::make_shared<Shared>(executor, std::max<std::size_t>(window, 1));
    return {std::unique_ptr<PipeEnd>(new PipeEnd(shared, 0)),
            std::unique_ptr<PipeEnd>(new PipeEnd(shared, 1))};
}

const asio::any_io_executor& PipeEnd::executor() const {
    return shared_->executor;
}

std::size_t PipeEnd::read_some(std::span<std::byte> space, ErrorCode& error) {
    Shared::Stream& stream = shared_->to(side_);
    const std::size_t count = std::min(space.size(), stream.size());
    error = {};
    if (stream.is_unread)
        error = asio::error::bad_descriptor;
    else if (count == 0 && !space.empty())
        error = stream.is_ended ? ErrorCode(asio::error::eof) : ErrorCode(asio::error::would_block);
    if (error) return 0;
    std::copy_n(stream.bytes.begin() + static_cast<std::ptrdiff_t>(stream.read), count,
                space.begin());
    stream.read += count;
    if (stream.size() == 0) {
        stream.bytes.clear();
        stream.read = 0;
        if (stream.bytes.capacity() > kept_bytes) stream.bytes = {};
    }
    // Half of the window at once: not a call for every few bytes.
    if (stream.writer && stream.size() <= shared_->window / 2) shared_->call(stream.writer);
    return count;
}

std::size_t PipeEnd::write_some(ByteView bytes, ErrorCode& error) {
    Shared::Stream& stream = shared_->from(side_);
    const std::size_t count =
        std::min(bytes.size(), shared_->window - std::min(stream.size(), shared_->window));
    error = {};
    if (stream.is_ended || stream.is_unread)
        error = asio::error::broken_pipe;
    else if (count == 0 && !bytes.empty())
        error = asio::error::would_block;
    if (error) return 0;
    if (stream.read > shared_->window) {
        stream.bytes.erase(stream.bytes.begin(),
                           stream.bytes.begin() + static_cast<std::ptrdiff_t>(stream.read));
        stream.read = 0;
    }
    stream.bytes.insert(stream.bytes.end(), bytes.begin(),
                        bytes.begin() + static_cast<std::ptrdiff_t>(count));
    if (count != 0) shared_->call(stream.reader);
    return count;
}

void PipeEnd::async_wait(Way way, Handler handler) {
    Shared& shared = *shared_;
    Shared::Stream& stream = way == Way::reading ? shared.to(side_) : shared.from(side_);
    Handler& waiting = way == Way::reading ? stream.reader : stream.writer;
    waiting = std::move(handler);
    if (way == Way::reading ? shared.is_readable(stream) : shared.is_writable(stream))
        shared.call(waiting);
}

Awaitable<Status> PipeEnd::wait(Way way) {
    // It may be closed and gone before this goes on.
    const std::shared_ptr<Shared> shared = shared_;
    Shared::Stream& stream = way == Way::reading ? shared->to(side_) : shared->from(side_);
    Wakeup& wakeup = way == Way::reading ? stream.readable : stream.writable;
    Handler& waiting = way == Way::reading ? stream.reader : stream.writer;
    wakeup.reset();
    async_wait(way, [shared, &wakeup](const ErrorCode&) { wakeup.set(); });
    const auto outcome = co_await wakeup.wait();
    if (outcome == Wakeup::Outcome::set) co_return Status();
    waiting = {};
    co_return ErrorCode(asio::error::operation_aborted);
}

void PipeEnd::cancel() {
    shared_->call(shared_->to(side_).reader, asio::error::operation_aborted);
    shared_->call(shared_->from(side_).writer, asio::error::operation_aborted);
}

void PipeEnd::shutdown_send() {
    Shared::Stream& stream = shared_->from(side_);
    stream.is_ended = true;
    shared_->call(stream.reader);
}

void PipeEnd::close() {
    cancel();
    shutdown_send();
    Shared::Stream& stream = shared_->to(side_);
    if (std::exchange(stream.is_unread, true)) return;
    stream.bytes = {};
    stream.read = 0;
    shared_->call(stream.writer);
}

} // namespace baton::net
