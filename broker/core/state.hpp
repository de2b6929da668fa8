// What a broker knows: virtual hosts, users, exchanges, queues, bindings and the messages in queues;
// durable and not. Changes to what is durable come as records, through apply(), also while the
// broker lives, so that replaying the records gives the same state. What is not durable uses the
// same functions without a record.
//
// Messages are the exception for speed: the handlers put entries into queues and take them out
// themselves and tell State through entered() and left(), which keep the books: how many queues hold
// a message in memory, how many bytes that takes, and which records the journal must not forget.
#pragma once

#include "broker/core/exchange.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/living.hpp"
#include "broker/core/options.hpp"
#include "broker/core/policy.hpp"
#include "broker/core/queue.hpp"
#include "broker/core/record.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace baton::broker::core {

template <typename T>
using ByName = std::unordered_map<std::string, std::unique_ptr<T>, NameHash, std::equal_to<>>;

struct Vhost {
    VhostPut put;
    ByName<Exchange> exchanges;
    ByName<Queue> queues;
    Policies policies;
    VhostLimitsPut limits;

    const std::string& name() const { return put.name; }
    Exchange* exchange(std::string_view name) const;
    Queue* queue(std::string_view name) const;
};

struct User {
    UserPut put;
    std::map<std::string, PermissionPut, std::less<>> permissions; // by vhost
    std::vector<TopicPermissionPut> topic_permissions;
    UserLimitsPut limits;

    bool has_tag(std::string_view tag) const;
};

// Not durable, or bound to a connection: what a record does not say.
struct QueueLife {
    bool durable = true;
    ConnectionId exclusive_to;
};

class State {
public:
    explicit State(const Options& options);
    ~State();

    // --- Change ----------------------------------------------------------------------------------

    // A fact of the journal, old or new. Messages are only for replay; see above.
    void apply(const Record& record, RecordNumber number);
    // Replay is over: forgets queues that were never declared, makes messages ready.
    void finish_replay(bool stopped_in_order);

    void put_vhost(const VhostPut& put);
    Exchange& declare_exchange(const ExchangeDeclared& declared, bool durable);
    void delete_exchange(Exchange& exchange);
    Queue& declare_queue(const QueueDeclared& declared, QueueLife life);
    // Ready messages must have left before. A queue with unacknowledged messages stays in memory,
    // nameless, until forget_if_done().
    void delete_queue(Queue& queue);
    void forget_if_done(Queue& queue);
    void bind(const Bound& bound, bool durable);
    void unbind(const Unbound& unbound);

    // The queues whose settings a policy has changed since the last call.
    std::vector<Queue*> take_resettled() { return std::exchange(resettled_, {}); }

    QueueId take_queue_id() { return {next_queue_id_++}; }

    // --- Messages ----------------------------------------------------------------------------------

    void entered(Message& message) {
        if (message.notes.places++ == 0) stored_bytes_ += message.memory_size();
    }
    void left(Message& message) {
        if (--message.notes.places == 0) stored_bytes_ -= message.memory_size();
    }
    std::uint64_t stored_bytes() const { return stored_bytes_; }
    // What queues, exchanges and bindings take in memory by being there, about.
    std::uint64_t definition_bytes() const { return definition_bytes_; }

    // The record that says this message has that number from now on.
    void living(Message& message, RecordNumber number) {
        if (message.notes.record == 0) durable_bytes_ += journal_bytes(message);
        living_.add(message, number);
    }
    // It has left its last durable queue, or blocks remember the others.
    void dead(Message& message) {
        if (message.notes.record == 0) return;
        durable_bytes_ -= journal_bytes(message);
        living_.remove(message);
    }
    Message* any_living_up_to(RecordNumber record) { return living_.any_up_to(record); }
    // What the journal must keep, about.
    std::uint64_t durable_bytes() const { return durable_bytes_; }

    // --- Blocks of messages that are not in memory -------------------------------------------------

    struct BlockPlace {
        QueueId queue;
        std::size_t level = 0;
    };
    const Queue::PageSizes& page_sizes() const { return page_sizes_; }
    BlockId take_block_id() { return {next_block_id_++}; }
    // It stands in this queue, and its records must be kept.
    void block_added(const PagedBlock& block, BlockPlace place);
    void block_gone(const PagedBlock& block);
    // An entry more, which costs that much in the journal.
    void block_grew(std::uint64_t journal_bytes) { durable_bytes_ += journal_bytes; }
    const BlockPlace* block_place(BlockId id) const;
    // The block with the oldest record, when that is this one or an older one.
    std::optional<BlockId> any_block_up_to(RecordNumber record) const;

    // --- Look --------------------------------------------------------------------------------------

    Vhost* vhost(std::string_view name) const;
    User* user(std::string_view name);
    const User* user(std::string_view name) const;
    const ByName<Vhost>& vhosts() const { return vhosts_; }
    const std::map<std::string, User, std::less<>>& users() const { return users_; }
    const std::map<std::string, ParameterPut>& parameters() const { return parameters_; }
    Queue* queue(QueueId id) const;

    // Changes whenever a remembered route may have become wrong.
    std::uint64_t topology_version() const { return topology_version_; }

    // The queues a message goes to, each once; good until the next call. Follows exchanges behind
    // exchanges and alternates. Remembers what depends on the key alone. Every exchange on the way
    // looks at all keys: the message's own and `more_keys` (CC and BCC).
    std::span<Queue* const> route(Exchange& exchange, const RoutedMessage& message,
                                  std::span<const std::string> more_keys = {});

    // Will the same key give the same queues until topology_version() changes?
    bool route_depends_on_key_alone() const { return route_is_cacheable_; }

    // Everything durable but the messages, as records that give it again.
    std::vector<Record> definitions() const;
    // The same with the messages, in the order of their records; `content` gives those that are not
    // in memory.
    std::vector<Record> snapshot(const std::function<MessageRef(RecordNumber)>& content) const;
    // The record that says a living message again.
    static MessageStored stored(Message& message);

private:
    void apply_one(const MessageStored& stored, RecordNumber number);
    void apply_one(const MessagesRemoved& removed, RecordNumber number);
    void apply_one(const MessageReturned& returned, RecordNumber number);
    void apply_one(const TransactionBegan&, RecordNumber) {}
    void apply_one(const Stopped&, RecordNumber) {}
    void apply_one(const VhostPut& put, RecordNumber) { put_vhost(put); }
    void apply_one(const VhostRemoved& removed, RecordNumber);
    void apply_one(const UserPut& put, RecordNumber);
    void apply_one(const UserRemoved& removed, RecordNumber);
    void apply_one(const PermissionPut& put, RecordNumber);
    void apply_one(const PermissionRemoved& removed, RecordNumber);
    void apply_one(const TopicPermissionPut& put, RecordNumber);
    void apply_one(const TopicPermissionRemoved& removed, RecordNumber);
    void apply_one(const ExchangeDeclared& declared, RecordNumber);
    void apply_one(const ExchangeDeleted& deleted, RecordNumber);
    void apply_one(const QueueDeclared& declared, RecordNumber);
    void apply_one(const QueueDeleted& deleted, RecordNumber);
    void apply_one(const Bound& bound, RecordNumber) { bind(bound, true); }
    void apply_one(const Unbound& unbound, RecordNumber) { unbind(unbound); }
    void apply_one(const ParameterPut& put, RecordNumber);
    void apply_one(const PolicyPut& put, RecordNumber);
    void apply_one(const PolicyRemoved& removed, RecordNumber);
    void apply_one(const VhostLimitsPut& put, RecordNumber);
    void apply_one(const UserLimitsPut& put, RecordNumber);

    QueueSettings settings_for(const amqp::FieldTable& arguments, const AppliedPolicy* policy) const;
    std::shared_ptr<const AppliedPolicy> policy_for(const Queue& queue) const;
    void apply_policies(Vhost& vhost);
    void apply_policies(Exchange& exchange);
    Queue& queue_or_placeholder(QueueId id);
    static std::uint64_t journal_bytes(const Message& message) {
        return message.routing().size() + message.properties().size() + message.body_size() + 64;
    }
    void remove_binding(Exchange& source, BindingOrder order);
    void remove_bindings_to(std::map<BindingOrder, Exchange*>& bound_to);
    void collect(Exchange& exchange, const RoutedMessage& message,
                 std::span<const std::string> more_keys);
    void collect_queue_named(const Vhost& vhost, std::string_view name);

    ByName<Vhost> vhosts_;
    std::map<std::string, User, std::less<>> users_;
    std::map<std::string, ParameterPut> parameters_;
    std::unordered_map<QueueId, Queue*> queues_;
    // Deleted queues with unacknowledged messages, and, during replay, queues not declared yet.
    std::unordered_map<QueueId, std::unique_ptr<Queue>> nameless_;
    std::uint32_t quorum_delivery_limit_;
    std::uint64_t next_queue_id_ = 1;
    BindingOrder next_binding_order_ = 1;
    std::uint64_t topology_version_ = 1;
    std::uint64_t stored_bytes_ = 0;
    std::uint64_t definition_bytes_ = 0;
    // While records are replayed policies are only kept: they are applied once, at the end.
    bool replaying_ = true;
    std::vector<Queue*> resettled_;
    std::uint64_t durable_bytes_ = 0;
    Living living_;
    Queue::PageSizes page_sizes_;
    std::uint64_t next_block_id_ = 1;
    std::unordered_map<BlockId, BlockPlace> blocks_;
    std::set<std::pair<RecordNumber, BlockId>> blocks_by_record_;

    std::uint64_t route_number_ = 0;
    bool route_is_cacheable_ = true;
    std::vector<Queue*> route_;
    std::vector<Exchange*> to_visit_;
    std::vector<Binding*> matches_;
};

} // namespace baton::broker::core
