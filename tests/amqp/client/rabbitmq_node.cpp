// Starting and ending a private RabbitMQ.
#include "tests/amqp/client/rabbitmq_node.hpp"

#include "tests/amqp/client/child_process.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace baton::tests {

namespace {

using namespace std::chrono_literals;

constexpr const char* server_script = "/usr/lib/rabbitmq/bin/rabbitmq-server";
constexpr const char* epmd_program = "/usr/bin/epmd";

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// A port that was free a moment ago.
std::uint16_t free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(socket);
    return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(port);
    const bool connected =
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    return connected;
}

} // namespace

bool RabbitMqNode::is_installed() {
    return ::access(server_script, X_OK) == 0 && ::access(epmd_program, X_OK) == 0;
}

std::unique_ptr<RabbitMqNode> RabbitMqNode::start() {
    std::unique_ptr<RabbitMqNode> node(new RabbitMqNode());
    std::string folder = std::filesystem::temp_directory_path() / "baton-rabbitmq-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return nullptr;
    node->folder_ = folder;
    node->amqp_port_ = free_port();
    node->distribution_port_ = free_port();
    node->epmd_port_ = free_port();
    node->write_files();
    node->start_epmd();
    node->start_broker();
    if (node->wait_until_it_listens()) return node;
    std::fprintf(stderr, "RabbitMQ did not start; its output:\n");
    std::ifstream log(folder + "/out");
    for (std::string line; std::getline(log, line);)
        std::fprintf(stderr, "  %s\n", line.c_str());
    return nullptr;
}

void RabbitMqNode::write_files() const {
    std::ofstream(folder_ + "/.erlang.cookie") << "BATONTESTCOOKIE";
    ::chmod((folder_ + "/.erlang.cookie").c_str(), 0400);
    std::ofstream(folder_ + "/enabled_plugins") << "[].\n";
    std::ofstream(folder_ + "/rabbitmq.conf") << "log.console = false\n"
                                                 "vm_memory_high_watermark.absolute = 300MiB\n"
                                                 "disk_free_limit.absolute = 10MB\n";
}

void RabbitMqNode::start_epmd() {
    epmd_ = spawn({epmd_program, "-port", std::to_string(epmd_port_), "-address", "127.0.0.1"},
                  {"PATH=/usr/bin:/bin"}, folder_ + "/epmd-out");
}

void RabbitMqNode::start_broker() {
    const std::vector<std::string> environment{
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=" + folder_,
        "LANG=C.UTF-8",
        fmt::format("ERL_EPMD_PORT={}", epmd_port_),
        "ERL_EPMD_ADDRESS=127.0.0.1",
        fmt::format("RABBITMQ_NODENAME=baton{}@localhost", amqp_port_),
        "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
        fmt::format("RABBITMQ_NODE_PORT={}", amqp_port_),
        fmt::format("RABBITMQ_DIST_PORT={}", distribution_port_),
        "RABBITMQ_MNESIA_BASE=" + folder_ + "/mnesia",
        "RABBITMQ_LOG_BASE=" + folder_ + "/log",
        "RABBITMQ_PID_FILE=" + folder_ + "/pid",
        "RABBITMQ_CONFIG_FILE=" + folder_ + "/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE=" + folder_ + "/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE=/dev/null",
        "RABBITMQ_ADVANCED_CONFIG_FILE=" + folder_ + "/none",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 "
        "+sbwt none +sbwtdcpu none +sbwtdio none",
    };
    broker_ = spawn({server_script}, environment, folder_ + "/out");
}

bool RabbitMqNode::wait_until_it_listens() const {
    const auto limit = std::chrono::steady_clock::now() + 2min;
    while (std::chrono::steady_clock::now() < limit) {
        if (answers(amqp_port_)) return true;
        if (::waitpid(broker_, nullptr, WNOHANG) == broker_) return false;
        std::this_thread::sleep_for(100ms);
    }
    return false;
}

RabbitMqNode::~RabbitMqNode() {
    end_group(broker_);
    end_group(epmd_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::string RabbitMqNode::url() const {
    return fmt::format("amqp://guest:guest@127.0.0.1:{}", amqp_port_);
}

} // namespace baton::tests
