#include "base/thread.hpp"

#include "base/log.hpp"
#include "base/run_aside.hpp"

#include <pthread.h>

#include <cstdlib>
#include <exception>
#include <utility>

namespace baton {

namespace {

std::function<void()> guarded(std::string name, std::function<void()> body) {
    return [name = std::move(name), body = std::move(body)] {
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        try {
            body();
        } catch (const std::exception& error) {
            log::error("thread", "ended by an exception", {{"name", name}, {"what", error.what()}});
            std::abort();
        }
    };
}

} // namespace

Thread::Thread(std::string name, std::function<void()> body) : thread_(guarded(std::move(name), std::move(body))) {}

void run_aside(std::string name, std::function<void()> body) {
    std::thread(guarded(std::move(name), std::move(body))).detach();
}

Thread& Thread::operator=(Thread&& other) noexcept {
    join();
    thread_ = std::move(other.thread_);
    return *this;
}

Thread::~Thread() { join(); }

void Thread::join() {
    if (thread_.joinable()) thread_.join();
}

void Thread::abandon() {
    if (thread_.joinable()) thread_.detach();
}

} // namespace baton
