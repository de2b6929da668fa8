// An exchange and its bindings. It only says which bindings match a message; following exchanges
// behind exchanges, alternates and the default exchange is routing, in state.hpp. Owned by State.
#pragma once

#include "amqp/field_table.hpp"
#include "base/result.hpp"
#include "broker/core/queue.hpp"
#include "broker/core/topic_trie.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::broker::core {

enum class ExchangeType : std::uint8_t { direct, fanout, topic, headers };

std::optional<ExchangeType> exchange_type_from(std::string_view name);
std::string_view name_of(ExchangeType type);

// Orders bindings over all exchanges by age.
using BindingOrder = std::uint64_t;

struct Binding {
    BindingOrder order = 0;
    Exchange* source = nullptr;
    // One of the two.
    Queue* queue = nullptr;
    Exchange* exchange = nullptr;
    std::string routing_key;
    amqp::FieldTable arguments;
    bool durable = false;
};

// What a message shows to an exchange.
struct RoutedMessage {
    std::string_view routing_key;
    ByteView headers; // contents of the headers table, encoded; empty without
};

// "all" and its relatives; a failure has RabbitMQ's text.
Outcome<void> check_headers_binding(const amqp::FieldTable& arguments);

class Exchange {
public:
    struct Identity {
        std::string name;
        Vhost* vhost = nullptr;
        ExchangeType type = ExchangeType::direct;
        bool durable = false;
        bool auto_delete = false;
        bool internal = false;
        bool predeclared = false;
        amqp::FieldTable arguments;
    };

    explicit Exchange(Identity identity);

    const Identity& identity() const { return identity_; }
    const std::string& name() const { return identity_.name; }
    bool is_default() const { return identity_.name.empty(); }
    // The exchange that gets what nobody here wants; empty: none.
    const std::string& alternate() const { return alternate_; }

    // The binding with this destination, key and arguments, or null.
    Binding* find(const Queue* queue, const Exchange* exchange, std::string_view routing_key,
                  const amqp::FieldTable& arguments);
    Binding& add(Binding binding);
    void remove(BindingOrder order);

    bool has_bindings() const { return !bindings_.empty(); }
    const std::map<BindingOrder, Binding>& bindings() const { return bindings_; }

    // Appends the bindings that match, oldest first.
    void match(const RoutedMessage& message, std::vector<Binding*>& found);
    // Does a match depend on anything but the routing key?
    bool looks_at_headers() const { return identity_.type == ExchangeType::headers; }

    // Bindings of which this exchange is the destination; kept by State.
    std::map<BindingOrder, Exchange*> bound_to;
    // The last route that came through here; kept by State.
    std::uint64_t route_mark = 0;
    // Routes by key, good while the topology is of this version; kept by State.
    std::uint64_t cache_version = 0;
    std::unordered_map<std::string, std::vector<Queue*>, NameHash, std::equal_to<>> cache;

    std::uint64_t published_in = 0;
    std::uint64_t published_out = 0;

private:
    static std::string identity_key(const void* destination, std::string_view routing_key);

    Identity identity_;
    std::string alternate_;
    std::map<BindingOrder, Binding> bindings_;
    std::unordered_multimap<std::string, Binding*> by_identity_;
    std::unordered_map<std::string, std::vector<Binding*>, NameHash, std::equal_to<>> by_key_;
    TopicTrie patterns_;
};

} // namespace baton::broker::core
