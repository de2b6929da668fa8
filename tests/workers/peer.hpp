// The other end of a worker: publishes tasks and collects reports, like an orchestrator or an RPC
// client would. Blocking functions over the AMQP client, which runs on a thread of its own.
#pragma once

#include "amqp/client/message.hpp"
#include "contract/task_message.hpp"

#include <memory>
#include <optional>
#include <string>

namespace baton::workers::test {

class Peer {
public:
    // Fails the test by throwing if the broker is away.
    explicit Peer(const std::string& url);
    ~Peer();

    // An exclusive queue of our own; what arrives there is taken with next_report().
    const std::string& reply_queue() const;

    // To exchange baton.task; reply_to is set to our queue if it is empty and `wants_reply`.
    void send(contract::TaskRequest request, bool wants_reply = true);
    void publish(const std::string& exchange, const std::string& key, contract::Message message);

    // Waits for the next report; nothing after ten seconds.
    std::optional<contract::TaskReport> next_report();
    // The next one that is no heartbeat and no `started`.
    std::optional<contract::TaskReport> next_result();
    // Sends and waits for the result.
    std::optional<contract::TaskReport> call(const std::string& task, const std::string& with,
                                             const std::string& key = {});

    // A durable queue without any argument.
    void declare(const std::string& queue);
    // How many consume from a queue; throws if there is no such queue.
    std::size_t consumers_of(const std::string& queue);
    std::optional<amqp::client::Delivery> get(const std::string& queue);

private:
    class Inside;
    std::unique_ptr<Inside> inside_;
};

} // namespace baton::workers::test
