// An exchange and its bindings. It only says which bindings match a message; following exchanges
// behind exchanges, alternates and the default exchange is routing, in state.hpp. Owned by State.
#pragma once

#include "amqp/field_table.hpp"
#include "base/result.hpp"
#include "broker/core/deduplicator.hpp"
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

struct AppliedPolicy;

enum class ExchangeType : std::uint8_t {
    direct,
    fanout,
    topic,
    headers,
    consistent_hash, // one destination by the hash of the key; the binding's key is its weight
    modulus_hash,    // one destination by the hash of the key modulo their number
    random,          // one destination, any
};

// How an exchange matches, and whether it holds messages back for their x-delay first
// (x-delayed-message, which matches as its argument x-delayed-type says).
struct ExchangeKind {
    ExchangeType type = ExchangeType::direct;
    bool delays = false;
};

// A failure has the text for a channel exception 406.
Outcome<ExchangeKind> exchange_kind_from(std::string_view type, const amqp::FieldTable& arguments);
// As in exchange.declare.
std::string_view name_of(ExchangeKind kind);

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

// The queue in which an x-delayed-message exchange keeps what is not due, and the argument by which
// that queue is known.
inline constexpr std::string_view delays_prefix = "amq.delayed.";
inline constexpr std::string_view delays_argument = "x-delayed-for";

// What a message shows to an exchange.
struct RoutedMessage {
    std::string_view routing_key;
    ByteView headers;    // contents of the headers table, encoded; empty without
    ByteView properties{}; // all of them, raw
};

// Can this be a binding of such an exchange? A failure has RabbitMQ's text.
Outcome<void> check_binding(ExchangeType type, std::string_view routing_key,
                            const amqp::FieldTable& arguments);

class Exchange {
public:
    struct Identity {
        std::string name;
        Vhost* vhost = nullptr;
        ExchangeKind kind;
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
    // What a policy says, null when it says nothing, counts only where the declaration is silent.
    // True: it is another one than before.
    bool use_alternate(const std::string* from_policy);

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
    bool looks_beyond_key() const {
        return identity_.kind.type == ExchangeType::headers ||
               identity_.kind.type == ExchangeType::random || !hashed_header_.empty() ||
               !hashed_property_.empty();
    }
    // Null: takes the same message as often as it comes.
    Deduplicator* deduplicator() { return deduplicator_.get(); }

    // Bindings of which this exchange is the destination; kept by State.
    std::map<BindingOrder, Exchange*> bound_to;
    // The last route that came through here; kept by State.
    std::uint64_t route_mark = 0;
    // Routes by key, good while the topology is of this version; kept by State.
    std::uint64_t cache_version = 0;
    std::unordered_map<std::string, std::vector<Queue*>, NameHash, std::equal_to<>> cache;

    // What holds for it; kept by State. Null: no policy.
    std::shared_ptr<const AppliedPolicy> policy;

    std::uint64_t published_in = 0;
    std::uint64_t published_out = 0;

private:
    Binding* match_by_hash(const RoutedMessage& message);
    // Calls `use` with what is hashed of the message: only valid during the call.
    template <typename Use>
    auto with_hashed_text(const RoutedMessage& message, Use&& use) const;
    static std::string identity_key(const void* destination, std::string_view routing_key);

    Identity identity_;
    std::string alternate_;
    // Of hash exchanges; both empty: the routing key is hashed.
    std::string hashed_header_;
    std::string hashed_property_;
    std::unique_ptr<Deduplicator> deduplicator_;
    std::uint64_t random_state_ = 0;
    std::map<BindingOrder, Binding> bindings_;
    std::unordered_multimap<std::string, Binding*> by_identity_;
    std::unordered_map<std::string, std::vector<Binding*>, NameHash, std::equal_to<>> by_key_;
    TopicTrie patterns_;
};

} // namespace baton::broker::core
