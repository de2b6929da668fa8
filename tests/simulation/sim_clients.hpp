// The clients of a simulated broker: three connections that publish with confirms, publish and
// acknowledge in transactions, consume, get, reject, purge, delete and declare again, and note what
// they were promised. They never ask for what must be refused, so a refusal is a complaint.
#pragma once

#include "amqp/methods.hpp"
#include "base/random.hpp"
#include "broker/core/broker.hpp"
#include "tests/simulation/promises.hpp"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::test {

class SimClients {
public:
    SimClients(Random& random, Promises& promises) : random_(random), promises_(promises) {}

    // Events of one batch are given between these two calls.
    void begin(broker::core::Broker& broker, Time now, broker::core::Turn& turn);
    void end() { broker_ = nullptr; }

    // Confirms say nothing of what was before them.
    void expect_early_confirms() { confirms_prove_ = false; }

    // Somebody does something.
    void act();
    // Every queue that is missing is declared, by the first client.
    void declare_all();
    // A new client takes everything from every queue; then whatever it holds is acknowledged.
    void drain();
    void acknowledge_all();

    void hear(broker::core::Command& command);
    // The process is gone, and with it all connections.
    void forget_connections();
    // What the recovered broker has. Complains about queues that should not be there, or should.
    void look_at(const std::vector<broker::core::Record>& state);
    // A complaint for every question that was not answered.
    void expect_all_answered();

    static std::vector<bool> queues_that_keep_dead_letters();
    static Promises::QueueIndex log();

private:
    using Key = Promises::Key;
    using QueueIndex = Promises::QueueIndex;
    using Order = Promises::Order;

    enum class Wish { none, declare, get, get_without_ack, consume, purge, remove, commit };

    struct Held {
        Key key;
        QueueIndex from = 0;
        bool in_transaction = false;
    };
    struct Publish {
        std::vector<Key> keys;
        Order order = 0;
    };
    struct Draft {
        Promises::MessageId id = 0;
        QueueIndex queue = 0;
        bool is_persistent = false;
    };
    struct Channel {
        Wish wish = Wish::none;
        QueueIndex queue = 0;
        int number = 0; // of the clearing or the transaction
        int life = 0;   // of the queue that was declared or deleted
        int unasked = 0; // declarations of declare_all() that are not answered yet
        Order order = 0;
        std::uint64_t next_publish = 1;
        std::map<std::uint64_t, Publish> unconfirmed;
        std::map<std::uint64_t, Held> held;
        std::vector<Key> behind_get; // settled while a get waits for its answer
        std::map<broker::core::ConsumerNumber, QueueIndex> consumers;
        std::vector<Draft> drafts;
    };
    struct Client {
        broker::core::ConnectionId id;
        bool is_connected = false;
        bool is_paused = false;       // is not read from
        bool holds_publishes = false; // is read up to its next publish
        std::uint64_t unwritten = 0;
        std::map<broker::core::ChannelNumber, Channel> channels;
    };
    struct QueueState {
        bool exists = false;
        bool is_bound = false;
        bool must_exist = false;
        bool must_not_exist = false;
        int life = 0; // declared and deleted so often
    };

    // What a client does; false: it cannot at the moment.
    void connect(Client& client);
    void lose(Client& client);
    void publish(Client& client);
    void publish_to_all(Client& client);
    void draft(Client& client);
    void commit(Client& client);
    void rollback(Client& client);
    void settle(Client& client, broker::core::ChannelNumber number);
    void settle_in_transaction(Client& client);
    void ask(Client& client, broker::core::ChannelNumber number, Wish wish);
    void declare(Client& client, QueueIndex queue);
    void consume(Client& client, QueueIndex queue);

    void send(const Client& client, broker::core::ChannelNumber number, amqp::Method method);
    void send_message(const Client& client, broker::core::ChannelNumber number,
                      std::string_view exchange, std::string_view key, Promises::MessageId id,
                      bool is_persistent);
    Client* find(broker::core::ConnectionId id);
    void hear_delivery(Client* client, const broker::core::Command& command,
                       const broker::core::Message& message, std::uint64_t tag, bool redelivered,
                       QueueIndex from);
    void hear_confirm(Client& client, const broker::core::Confirm& confirm);
    void hear_reply(Client& client, broker::core::ChannelNumber number,
                    const amqp::Method& method);
    static Key key_of(const broker::core::Message& message, QueueIndex from);

    Random& random_;
    bool confirms_prove_ = true;
    Promises& promises_;
    broker::core::Broker* broker_ = nullptr;
    Time now_{};
    broker::core::Turn* turn_ = nullptr;
    std::array<Client, 4> clients_; // the last one drains
    std::array<QueueState, 8> queues_;
    std::uint64_t last_connection_ = 0;
    std::uint64_t last_message_ = 0;
    std::uint64_t last_consumer_ = 0;
    int last_transaction_ = 0;
    // Which queue the consumers of connections that are gone took from.
    std::map<std::pair<broker::core::ConnectionId, broker::core::ConsumerNumber>, QueueIndex>
        consumers_;
};

} // namespace baton::test
