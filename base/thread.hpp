// A named thread that joins when it goes out of scope. The only place that makes threads.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace baton {

class Thread {
public:
    Thread() = default;
    // `name` shows in top and gdb, at most 15 characters. An exception that leaves `body` is
    // logged and ends the process.
    Thread(std::string name, std::function<void()> body);
    Thread(Thread&&) = default;
    Thread& operator=(Thread&& other) noexcept;
    ~Thread();

    void join();
    // Gives up on a thread that a call of the system does not let go of: it goes on for itself, with
    // nothing but what its body owns, until the process ends.
    void abandon();
    bool is_current() const { return thread_.get_id() == std::this_thread::get_id(); }

private:
    std::thread thread_;
};

} // namespace baton
