// A stream of bytes both ways between two places of one thread: what a connection over loopback
// would be, without the kernel. Each end behaves as a socket that does not block: what is written
// at one end can be read at the other, no more than a window of it is on the way, and whoever would
// have to wait is called when that is over. Never from inside a read or write: calls come from the
// executor, as a socket's do.
//
// Everything belongs to the thread of the executor.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>

namespace baton::net {

class PipeEnd {
public:
    enum class Way : bool { reading, writing };
    using Handler = std::function<void(const ErrorCode&)>;

    // `window`: bytes that may be on the way in one direction.
    static std::pair<std::unique_ptr<PipeEnd>, std::unique_ptr<PipeEnd>>
    make_pair(const asio::any_io_executor& executor, std::size_t window = std::size_t{1} << 20);
    ~PipeEnd() { close(); }
    PipeEnd(const PipeEnd&) = delete;
    PipeEnd& operator=(const PipeEnd&) = delete;

    const asio::any_io_executor& executor() const;

    // At least one byte, or an error: would_block; eof, when the other end writes no more;
    // broken_pipe, when it is gone.
    std::size_t read_some(std::span<std::byte> space, ErrorCode& error);
    std::size_t write_some(ByteView bytes, ErrorCode& error);

    // Calls once, when read_some() or write_some() would say something else than would_block, or
    // with operation_aborted after cancel() or close(). One wait for each way at a time.
    void async_wait(Way way, Handler handler);
    // The same for a coroutine: an error when it, or the wait, was cancelled.
    Awaitable<Status> wait(Way way);
    void cancel();

    // The other end reads what is there, and then its end.
    void shutdown_send();
    void close();

private:
    struct Shared;
    PipeEnd(std::shared_ptr<Shared> shared, int side) : shared_(std::move(shared)), side_(side) {}

    std::shared_ptr<Shared> shared_;
    const int side_;
};

} // namespace baton::net
