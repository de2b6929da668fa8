// A RabbitMQ of the test's own: its directory, its ports, its epmd, everything on loopback, all of
// it ended by process id. Needs Debian's package rabbitmq-server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>

namespace baton::tests {

class RabbitMqNode {
public:
    static bool is_installed();

    // Starts it and waits until it speaks AMQP; null with a message on standard error when it does
    // not within two minutes.
    static std::unique_ptr<RabbitMqNode> start();
    ~RabbitMqNode();
    RabbitMqNode(const RabbitMqNode&) = delete;
    RabbitMqNode& operator=(const RabbitMqNode&) = delete;

    std::uint16_t port() const { return amqp_port_; }
    std::string url() const;

private:
    RabbitMqNode() = default;
    void write_files() const;
    void start_epmd();
    void start_broker();
    bool wait_until_it_listens() const;

    std::string folder_;
    std::uint16_t amqp_port_ = 0;
    std::uint16_t distribution_port_ = 0;
    std::uint16_t epmd_port_ = 0;
    pid_t epmd_ = -1;
    // The leader of its own process group: the start script and the Erlang machine.
    pid_t broker_ = -1;
};

} // namespace baton::tests
