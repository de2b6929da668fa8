// Fuzz target: administrators and files of definitions against the core, with clients beside them.
// Wishes are made of names that exist, names that are too long or no text, and tables of every value a
// queue, an exchange or a policy may have; files of definitions come as JSON of such parts and as any
// bytes. Whatever is let in: messages die into it, the journal can say it and read it again, and what
// the records give is what the living broker knows.
#include "base/assert.hpp"
#include "broker/journal/record_codec.hpp"
#include "tests/broker/scenarios/story.hpp"
#include "tests/support/fuzz_bytes.hpp"
#include "web/broker/broker_port.hpp"
#include "web/broker/definitions.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <array>
#include <limits>

namespace {

using namespace baton;
using namespace baton::broker::core;
namespace json = boost::json;

using baton::test::FuzzBytes;

constexpr std::array names{"q0", "q1", "q2", "x0", "x1", "amq.topic", "amq.fanout", "amq.headers", "", "/",
                           "guest", "other"};
constexpr std::array settings{
    "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-message-ttl", "x-expires", "x-max-length",
    "x-max-length-bytes", "x-overflow", "x-queue-type", "x-max-priority", "x-single-active-consumer",
    "x-delivery-limit", "x-dead-letter-strategy", "x-delayed-type", "alternate-exchange", "x-match",
    "hash-header", "x-cache-size", "x-cache-ttl", "x-message-deduplication", "dead-letter-exchange",
    "dead-letter-routing-key", "message-ttl", "max-length", "overflow", "max-age", "x-max-age", "expires",
    "delivery-limit", "x-stream-max-segment-size-bytes", "x-queue-mode"};
constexpr std::array words{"drop-head", "reject-publish", "reject-publish-dlx", "quorum", "classic", "stream",
                           "lazy", "topic", "direct", "fanout", "headers", "x-delayed-message",
                           "x-consistent-hash", "x-modulus-hash", "x-random", "at-least-once", "all", "any",
                           "queues", "exchanges", "1h", ".*", "^q", "[", "a.#", "*.b"};

std::string name_from(FuzzBytes& bytes) {
    switch (bytes.next() % 8) {
    case 0: return std::string(250U + bytes.below(12), 'k');
    case 1: return std::string(as_text(bytes.take(bytes.next() % 20)));
    case 2: return bytes.one_of(words);
    default: return bytes.one_of(names);
    }
}

amqp::FieldTable table_from(FuzzBytes& bytes, int depth);

amqp::FieldValue value_from(FuzzBytes& bytes, int depth) {
    switch (bytes.next() % 8) {
    case 0: return amqp::FieldValue(static_cast<std::int64_t>(bytes.below(1000)));
    case 1: return amqp::FieldValue(-static_cast<std::int32_t>(bytes.below(300)));
    case 2: return amqp::FieldValue(std::numeric_limits<std::int64_t>::max());
    case 3: return amqp::FieldValue(bytes.flag());
    case 4: return depth > 3 ? amqp::FieldValue(1.5) : amqp::FieldValue(table_from(bytes, depth + 1));
    case 5: return amqp::FieldValue(bytes.one_of(words));
    default: return amqp::FieldValue(name_from(bytes));
    }
}

amqp::FieldTable table_from(FuzzBytes& bytes, int depth = 0) {
    amqp::FieldTable table;
    for (auto left = bytes.next() % 4; left > 0; --left)
        table.set(bytes.next() % 16 == 0 ? name_from(bytes) : bytes.one_of(settings), value_from(bytes, depth));
    return table;
}

std::vector<std::string> tags_from(FuzzBytes& bytes) {
    std::vector<std::string> tags;
    for (auto left = bytes.next() % 3; left > 0; --left) tags.push_back(name_from(bytes));
    return tags;
}

std::string host_from(FuzzBytes& bytes) { return bytes.next() % 8 == 0 ? name_from(bytes) : "/"; }

AdministrationRequest topology_from(FuzzBytes& bytes) {
    const auto to = bytes.flag() ? DestinationKind::queue : DestinationKind::exchange;
    switch (bytes.next() % 8) {
    case 0:
        return DeclareExchange{{host_from(bytes), name_from(bytes), bytes.one_of(words), bytes.flag(),
                                bytes.flag(), table_from(bytes)},
                               bytes.flag()};
    case 1: return DeleteExchange{host_from(bytes), name_from(bytes), bytes.flag()};
    case 2: return DeleteQueue{host_from(bytes), name_from(bytes), bytes.flag(), bytes.flag()};
    case 3: return PurgeQueue{host_from(bytes), name_from(bytes)};
    case 4:
        return Bind{{host_from(bytes), name_from(bytes), to, name_from(bytes), name_from(bytes), table_from(bytes)}};
    case 5:
        return Unbind{{host_from(bytes), name_from(bytes), to, name_from(bytes), name_from(bytes), table_from(bytes)}};
    default:
        return DeclareQueue{host_from(bytes), name_from(bytes), bytes.flag(), bytes.flag(), table_from(bytes)};
    }
}

AdministrationRequest request_from(FuzzBytes& bytes) {
    switch (bytes.next() % 24) {
    case 0: return PutVhost{{name_from(bytes), name_from(bytes), tags_from(bytes)}};
    case 1: return RemoveVhost{bytes.next() % 4 == 0 ? name_from(bytes) : "other"};
    case 2: return PutUser{{name_from(bytes), name_from(bytes), name_from(bytes), tags_from(bytes)}};
    case 3: return RemoveUser{bytes.next() % 4 == 0 ? name_from(bytes) : "other"};
    case 4:
        return PutPermission{{host_from(bytes), name_from(bytes), name_from(bytes), name_from(bytes), name_from(bytes)}};
    case 5: return RemovePermission{{host_from(bytes), name_from(bytes)}};
    case 6:
        return PutTopicPermission{
            {host_from(bytes), name_from(bytes), name_from(bytes), name_from(bytes), name_from(bytes)}};
    case 7: return RemoveTopicPermission{{host_from(bytes), name_from(bytes), name_from(bytes)}};
    case 8: return CloseClients{std::nullopt, name_from(bytes), name_from(bytes)};
    case 9:
    case 10:
        return PutPolicy{{host_from(bytes), name_from(bytes), bytes.one_of(words), bytes.one_of(words),
                          static_cast<std::int32_t>(bytes.next()), table_from(bytes), bytes.flag()}};
    case 11: return RemovePolicy{{host_from(bytes), name_from(bytes), bytes.flag()}};
    case 12: return PutVhostLimits{{host_from(bytes), bytes.below(5), bytes.below(300)}};
    case 13: return PutUserLimits{{name_from(bytes), bytes.below(5), bytes.below(300)}};
    case 14: return PutParameter{{host_from(bytes), name_from(bytes), name_from(bytes), name_from(bytes)}};
    default: return topology_from(bytes);
    }
}

// --- Files of definitions ------------------------------------------------------------------------

json::value json_from(const amqp::FieldValue& value) {
    if (const auto number = value.integer()) return *number;
    if (const auto* text = value.get<std::string>()) return json::value(*text);
    if (const auto* flag = value.get<bool>()) return *flag;
    if (const auto* table = value.get<amqp::FieldTable>()) {
        json::object object;
        for (const auto& [name, one] : *table) object[name] = json_from(one);
        return object;
    }
    return nullptr;
}

json::object entry_from(FuzzBytes& bytes) {
    static constexpr std::array members{
        "name", "vhost", "user", "configure", "write", "read", "exchange", "source", "destination",
        "destination_type", "routing_key", "type", "password_hash", "hashing_algorithm", "tags", "pattern",
        "apply-to", "component", "description", "password"};
    json::object entry{{"vhost", "/"}, {"name", name_from(bytes)}, {"durable", bytes.flag()},
                       {"auto_delete", bytes.flag()}, {"internal", false},
                       {"arguments", json_from(amqp::FieldValue(table_from(bytes)))}};
    for (auto left = bytes.next() % 12; left > 0; --left)
        entry[bytes.one_of(members)] = json_from(value_from(bytes, 3));
    if (bytes.flag()) entry["definition"] = json_from(amqp::FieldValue(table_from(bytes)));
    if (bytes.flag()) entry["value"] = json_from(amqp::FieldValue(table_from(bytes)));
    if (bytes.flag()) entry["priority"] = bytes.next();
    if (bytes.flag()) entry["destination_type"] = bytes.flag() ? "queue" : "exchange";
    return entry;
}

std::string definitions_from(FuzzBytes& bytes) {
    static constexpr std::array sections{
        "vhosts", "users", "permissions", "topic_permissions", "parameters", "global_parameters", "policies",
        "queues", "exchanges", "bindings"};
    json::object file;
    for (auto left = 1 + bytes.next() % 5; left > 0; --left) {
        json::array entries;
        for (auto more = 1 + bytes.next() % 3; more > 0; --more) entries.push_back(entry_from(bytes));
        file[bytes.one_of(sections)] = std::move(entries);
    }
    return json::serialize(file);
}

void bring_in(Story& story, std::string_view text) {
    static const web::BrokerPort port = [] {
        web::BrokerPort made;
        made.hash_password = [](std::string_view) { return std::string("hash"); };
        made.is_hash_algorithm = [](std::string_view name) { return name == "rabbit_password_hashing_sha256"; };
        made.hash_size = [](std::string_view) { return std::size_t{36}; };
        made.password_matches = [](auto...) { return false; };
        made.sha256_algorithm = "rabbit_password_hashing_sha256";
        return made;
    }();
    auto read = web::read_definitions(text, port, std::nullopt);
    if (!read) return;
    const auto wanted = web::missing_in(std::move(read->wanted), story.broker().overview(), port);
    (void)web::complaints_about(wanted, story.broker().overview());
    // Also what it complains of: the core must not rely on having been asked first.
    for (const web::Definition& one : wanted) story.apply(AdministrationAsked{{1}, one.wish});
}

// --- What is let in can be lived with ------------------------------------------------------------

// A client of its own each time: what went wrong for the last one does not keep this one out.
void live(Story& story, FuzzBytes& bytes, std::uint64_t client) {
    const std::string queue = fmt::format("q{}", bytes.next() % 3);
    story.tell(fmt::format("publish key={} persistent \"m\" times=2 ch={}", queue, client));
    story.tell(fmt::format("publish exchange=amq.topic key=a.b persistent \"m\" ch={}.2", client));
    story.tell(fmt::format("get {} ch={}", queue, client));
    story.tell(fmt::format("reject 1 drop ch={}", client));
    if (bytes.flag()) story.tell("wait 1");
    story.finish();
    story.tell(fmt::format("lost ch={}", client));
}

void check_journal(const Story& story, Broker& broker) {
    amqp::Buffer buffer;
    for (const Record& record : broker.snapshot([](RecordNumber) { return MessageRef(); })) {
        const auto* stored = std::get_if<MessageStored>(&record);
        if (stored != nullptr && !stored->message) continue; // lies in a stream, on the disk
        const auto encoded = broker::journal::encode_record(record, buffer);
        const std::string payload = std::string(as_text(encoded.head)) + std::string(as_text(encoded.body));
        BATON_ASSERT(broker::journal::decode_record(encoded.kind, as_bytes(payload)),
                     "the journal can say it and read it again");
    }
    BATON_ASSERT(story.durable_state(broker) == story.durable_state(*story.recovered()),
                 "the records give what the living broker knows");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzBytes bytes(std::as_bytes(std::span(data, size)));
    Story story;
    story.tell("queue q0 durable");
    story.finish();
    if (bytes.next() % 8 == 0) bring_in(story, std::string(as_text(bytes.take(size))));
    for (std::uint64_t client = 1; !bytes.is_empty();) {
        if (bytes.next() % 4 == 0)
            bring_in(story, definitions_from(bytes));
        else
            story.apply(AdministrationAsked{{1}, request_from(bytes)});
        if (bytes.next() % 4 == 0) live(story, bytes, ++client);
        story.finish();
    }
    story.finish();
    check_journal(story, story.broker());
    return 0;
}
