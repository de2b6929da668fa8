// Our own broker as a process of its own, with a fresh data folder, for tests that treat it like
// any other broker. The program prints "listening HOST:PORT" when clients can connect.
#pragma once

#include <memory>
#include <string>
#include <sys/types.h>

namespace baton::tests {

class OwnBroker {
public:
    // Null, with a message on standard error, when it does not listen within 30 seconds.
    static std::unique_ptr<OwnBroker> start(const std::string& program);
    ~OwnBroker();
    OwnBroker(const OwnBroker&) = delete;
    OwnBroker& operator=(const OwnBroker&) = delete;

    const std::string& url() const { return url_; }

private:
    OwnBroker() = default;
    bool wait_until_it_listens();

    std::string folder_;
    std::string url_;
    pid_t process_ = -1;
};

} // namespace baton::tests
