// A proxy between a worker and its target that misbehaves on request: before the target hears of the
// call, or after the target has done it. Plain HTTP on a free port of 127.0.0.1, a thread for each connection.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace baton::workers::test {

struct Misbehaviour {
    enum class Kind {
        answer,          // with status, headers and body below
        drop,            // close without a byte
        half,            // the real answer, its body cut in the middle
        silence,         // nothing until the caller gives up or `pause` is over, then close
        late,            // the real answer, `pause` later
        noise,           // bytes that are no HTTP
    };
    std::string call = {};                // what the call begins with: "POST /users"; empty: any
    Kind kind = Kind::answer;
    bool is_after = false;                // the target has done it before we misbehave
    int status = 500;
    std::map<std::string, std::string> headers = {};
    std::string body = {};
    int times = 1;
    std::chrono::milliseconds pause = std::chrono::milliseconds(3000);
};

class FaultyProxy {
public:
    // To http://host:port[/path], for example a sandbox's or a real Redmine's.
    explicit FaultyProxy(const std::string& target_url);
    ~FaultyProxy();

    // The target's URL by way of us.
    const std::string& url() const;

    void add(const Misbehaviour& one);
    void heal();
    // "POST /users.json" of every request that came, and of those that the target has heard.
    std::vector<std::string> asked() const;
    std::vector<std::string> done() const;
    // How often we misbehaved.
    std::size_t faults() const;

private:
    struct Inside;
    std::shared_ptr<Inside> inside_;
};

} // namespace baton::workers::test
