// Child processes of `baton dev`: this very executable with other verbs. A child that ends is started
// again with growing pauses; when this process dies, however, the kernel ends the children.
#pragma once

#include "base/thread.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace baton::cli {

class Children {
public:
    Children() = default;
    ~Children();
    Children(const Children&) = delete;
    Children& operator=(const Children&) = delete;

    // `variables` are laid over this process's environment.
    void start(std::string name, std::vector<std::string> arguments,
               std::map<std::string, std::string> variables);
    // SIGTERM to all, then SIGKILL to those that do not end in time; joins.
    void stop();

private:
    struct Child {
        std::string name;
        std::vector<std::string> arguments;
        std::map<std::string, std::string> variables;
        std::atomic<int> pid{0};
        Thread keeper;
    };
    void keep(Child& child);

    std::atomic<bool> stopping_{false};
    std::vector<std::unique_ptr<Child>> children_;
};

} // namespace baton::cli
