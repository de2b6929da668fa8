// Starting and ending our own broker.
#include "tests/amqp/client/own_broker.hpp"

#include "tests/amqp/client/child_process.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace baton::tests {

using namespace std::chrono_literals;

std::unique_ptr<OwnBroker> OwnBroker::start(const std::string& program) {
    std::unique_ptr<OwnBroker> broker(new OwnBroker());
    std::string folder = std::filesystem::temp_directory_path() / "baton-broker-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return nullptr;
    broker->folder_ = folder;
    broker->process_ =
        spawn({program, "--data", folder + "/data"}, {"PATH=/usr/bin:/bin"}, folder + "/out");
    if (broker->wait_until_it_listens()) return broker;
    std::fprintf(stderr, "%s does not listen\n", program.c_str());
    return nullptr;
}

bool OwnBroker::wait_until_it_listens() {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < limit) {
        std::ifstream output(folder_ + "/out");
        for (std::string line; std::getline(output, line);) {
            // A line without its end is not complete.
            if (!line.starts_with("listening ") || output.eof()) continue;
            url_ = "amqp://guest:guest@" + line.substr(line.find(' ') + 1);
            return true;
        }
        if (::waitpid(process_, nullptr, WNOHANG) == process_) return false;
        std::this_thread::sleep_for(20ms);
    }
    return false;
}

OwnBroker::~OwnBroker() {
    end_group(process_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

} // namespace baton::tests
