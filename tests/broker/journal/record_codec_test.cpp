#include "base/random.hpp"
#include "broker/journal/record_codec.hpp"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

using namespace broker::core;
using broker::journal::decode_record;
using broker::journal::encode_record;
using broker::journal::EncodedRecord;

std::vector<std::byte> payload_of(const EncodedRecord& encoded) {
    std::vector<std::byte> payload(encoded.head.begin(), encoded.head.end());
    payload.insert(payload.end(), encoded.body.begin(), encoded.body.end());
    return payload;
}

// Encoded, decoded and encoded again: the bytes must be the same.
Record round_trip(const Record& record) {
    amqp::Buffer buffer;
    const EncodedRecord encoded = encode_record(record, buffer);
    const auto payload = payload_of(encoded);
    auto decoded = decode_record(encoded.kind, payload);
    EXPECT_TRUE(decoded) << decoded.error().message();
    amqp::Buffer second;
    const EncodedRecord again = encode_record(*decoded, second);
    EXPECT_EQ(again.kind, encoded.kind);
    EXPECT_EQ(payload_of(again), payload);
    return std::move(*decoded);
}

const amqp::FieldTable arguments{{"x-message-ttl", std::int32_t{1000}},
                                 {"x-dead-letter-exchange", "dead"},
                                 {"nested", amqp::FieldTable{{"deep", true}}}};

MessageStored stored(std::size_t body_size, std::size_t other_places) {
    const std::string body(body_size, 'b');
    const std::string properties("\x10\x00\x02", 3);
    MessageStored record;
    record.message = Message::make({.exchange = "exchange",
                                    .routing_key = "a.routing.key",
                                    .properties = as_bytes(properties),
                                    .body = as_bytes(body),
                                    .body_owner = nullptr,
                                    .persistent = true,
                                    .priority = 4,
                                    .ttl_millis = 5000});
    record.first = {.queue = {7}, .position = 99};
    for (std::size_t at = 0; at < other_places; ++at)
        record.others.push_back({.queue = {8 + at},
                                 .position = 100 + at,
                                 .expires_at = time_from_micros(1'234'567),
                                 .delivery_count = 3,
                                 .redelivered = true});
    return record;
}

TEST(RecordCodec, AMessageKeepsEverythingItHas) {
    for (const std::size_t size : {0u, 1u, 16u, 5000u, 300'000u}) {
        const Record record = round_trip(stored(size, 2));

        const auto& back = std::get<MessageStored>(record);
        EXPECT_EQ(back.message->exchange(), "exchange");
        EXPECT_EQ(back.message->routing_key(), "a.routing.key");
        EXPECT_EQ(back.message->body().size(), size);
        EXPECT_EQ(back.message->properties().size(), 3u);
        EXPECT_TRUE(back.message->is_persistent());
        EXPECT_EQ(back.message->priority(), 4);
        EXPECT_EQ(back.message->ttl_millis(), 5000);
        EXPECT_EQ(back.first, (Place{.queue = {7}, .position = 99}));
        ASSERT_EQ(back.others.size(), 2u);
        EXPECT_EQ(back.others[1], stored(size, 2).others[1]);
    }
}

const std::vector<Record>& every_kind() {
    static const std::vector<Record> records = [] {
        std::vector<Record> all;
        all.emplace_back(stored(10, 1));
        all.emplace_back(MessagesRemoved{{7}, {{1, 5}, {9, 9}}});
        all.emplace_back(MessagesRemoved{{7}, {}});
        all.emplace_back(MessageReturned{{7}, 42, 3});
        all.emplace_back(TransactionBegan{12});
        all.emplace_back(Stopped{});
        all.emplace_back(VhostPut{"/", "the first", {"a", "b"}});
        all.emplace_back(VhostRemoved{"v"});
        all.emplace_back(UserPut{"guest", "hash", "algorithm", {"administrator"}});
        all.emplace_back(UserRemoved{"guest"});
        all.emplace_back(PermissionPut{"/", "guest", "c", "w", "r"});
        all.emplace_back(PermissionRemoved{"/", "guest"});
        all.emplace_back(TopicPermissionPut{"/", "guest", "x", "w", "r"});
        all.emplace_back(TopicPermissionRemoved{"/", "guest", "x"});
        all.emplace_back(ExchangeDeclared{"/", "x", "topic", true, false, arguments});
        all.emplace_back(ExchangeDeleted{"/", "x"});
        all.emplace_back(QueueDeclared{{7}, "/", "q", true, arguments});
        all.emplace_back(QueueDeleted{{7}});
        all.emplace_back(Bound{"/", "x", DestinationKind::exchange, "y", "key", arguments});
        all.emplace_back(Unbound{"/", "x", DestinationKind::queue, "q", "key", arguments});
        all.emplace_back(ParameterPut{"/", "policy", "name", "{}"});
        all.emplace_back(PolicyPut{"/", "p", "^q", "queues", -3, arguments, true});
        all.emplace_back(PolicyRemoved{"/", "p", true});
        all.emplace_back(VhostLimitsPut{"/", 0, std::nullopt});
        all.emplace_back(UserLimitsPut{"guest", std::nullopt, 7});
        return all;
    }();
    return records;
}

TEST(RecordCodec, EveryKindComesBackAsItWas) {
    std::vector<bool> seen(std::variant_size_v<Record>);
    for (const Record& record : every_kind()) {
        EXPECT_EQ(round_trip(record).index(), record.index());
        seen[record.index()] = true;
    }
    EXPECT_EQ(std::ranges::count(seen, false), 0) << "a kind has no example here";
}

TEST(RecordCodec, ShortenedOrChangedPayloadsNeverCrash) {
    Random random(1);
    for (const Record& record : every_kind()) {
        amqp::Buffer buffer;
        const EncodedRecord encoded = encode_record(record, buffer);
        auto payload = payload_of(encoded);
        for (std::size_t size = 0; size < payload.size(); ++size)
            (void)decode_record(encoded.kind, ByteView(payload).first(size));
        for (int round = 0; round < 200 && !payload.empty(); ++round) {
            auto changed = payload;
            changed[random.below(changed.size())] = static_cast<std::byte>(random.below(256));
            (void)decode_record(encoded.kind, changed);
        }
    }
    EXPECT_FALSE(decode_record(200, {}));
}

} // namespace
} // namespace baton::test
