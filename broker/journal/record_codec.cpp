#include "broker/journal/record_codec.hpp"

#include "amqp/wire.hpp"
#include "base/overloaded.hpp"

#include <array>

namespace baton::broker::journal {
namespace {

enum class Kind : std::uint8_t {
    message_stored = 1,
    messages_removed = 2,
    message_returned = 3,
    transaction_began = 4,
    stopped = 5,
    vhost_put = 16,
    vhost_removed = 17,
    user_put = 18,
    user_removed = 19,
    permission_put = 20,
    permission_removed = 21,
    topic_permission_put = 22,
    topic_permission_removed = 23,
    exchange_declared = 32,
    exchange_deleted = 33,
    queue_declared = 34,
    queue_deleted = 35,
    bound = 36,
    unbound = 37,
    parameter_put = 48,
    policy_put = 49,
    policy_removed = 50,
    vhost_limits_put = 51,
    user_limits_put = 52,
};

constexpr std::uint8_t message_is_persistent = 1;
constexpr std::uint8_t message_has_ttl = 2;
constexpr std::uint8_t place_is_redelivered = 1;
constexpr std::uint8_t place_expires = 2;
constexpr std::uint8_t place_has_count = 4;

void write(amqp::Writer& out, const std::vector<std::string>& texts) {
    out.u32(static_cast<std::uint32_t>(texts.size()));
    for (const std::string& text : texts)
        out.long_string(text);
}

std::vector<std::string> read_texts(amqp::Reader& in) {
    std::vector<std::string> texts;
    for (std::uint32_t left = in.u32(); left > 0 && !in.failed(); --left)
        texts.emplace_back(in.long_string());
    return texts;
}

std::string read_text(amqp::Reader& in) {
    return std::string(in.long_string());
}

void write(amqp::Writer& out, const core::Place& place) {
    const bool expires = place.expires_at != Time::max();
    const bool counted = place.delivery_count != 0;
    out.u8(static_cast<std::uint8_t>((place.redelivered ? place_is_redelivered : 0) |
                                     (expires ? place_expires : 0) |
                                     (counted ? place_has_count : 0)));
    out.u64(place.queue.value);
    out.u64(place.position);
    if (expires) out.u64(static_cast<std::uint64_t>(micros_of(place.expires_at)));
    if (counted) out.u32(place.delivery_count);
}

core::Place read_place(amqp::Reader& in) {
    core::Place place;
    const std::uint8_t flags = in.u8();
    place.redelivered = (flags & place_is_redelivered) != 0;
    place.queue.value = in.u64();
    place.position = in.u64();
    if ((flags & place_expires) != 0)
        place.expires_at = time_from_micros(static_cast<std::int64_t>(in.u64()));
    if ((flags & place_has_count) != 0) place.delivery_count = in.u32();
    return place;
}

void write_head(amqp::Writer& out, const core::MessageStored& record) {
    const core::Message& message = *record.message;
    const auto ttl = message.ttl_millis();
    out.u8(static_cast<std::uint8_t>((message.is_persistent() ? message_is_persistent : 0) |
                                     (ttl ? message_has_ttl : 0)));
    out.u8(message.priority());
    if (ttl) out.u64(static_cast<std::uint64_t>(*ttl));
    out.u32(static_cast<std::uint32_t>(1 + record.others.size()));
    write(out, record.first);
    for (const core::Place& place : record.others)
        write(out, place);
    out.bytes(message.routing());
    out.long_string(as_text(message.properties()));
}

core::MessageStored read_message(amqp::Reader& in, bool with_content) {
    core::MessageParts parts;
    const std::uint8_t flags = in.u8();
    parts.persistent = (flags & message_is_persistent) != 0;
    parts.priority = in.u8();
    if ((flags & message_has_ttl) != 0) parts.ttl_millis = static_cast<std::int64_t>(in.u64());
    core::MessageStored record;
    const std::uint32_t places = in.u32();
    if (places == 0) in.fail(amqp::Errc::truncated);
    record.first = read_place(in);
    for (std::uint32_t left = places; left > 1 && !in.failed(); --left)
        record.others.push_back(read_place(in));
    parts.exchange = in.short_string();
    parts.routing_key = in.short_string();
    parts.properties = as_bytes(in.long_string());
    parts.body = in.bytes(in.rest().size());
    record.priority = parts.priority;
    record.body_bytes = static_cast<std::uint32_t>(parts.body.size());
    if (with_content && !in.failed()) record.message = core::Message::make(parts);
    return record;
}

// A limit is at least 0, so what is not there is written as -1.
void write(amqp::Writer& out, std::optional<std::int64_t> limit) {
    out.u64(static_cast<std::uint64_t>(limit.value_or(-1)));
}

std::optional<std::int64_t> read_limit(amqp::Reader& in) {
    const auto limit = static_cast<std::int64_t>(in.u64());
    if (limit < 0) return std::nullopt;
    return limit;
}

// The four kinds that are made of the same fields as their opposite.
template <typename BindingRecord>
void write_binding(amqp::Writer& out, const BindingRecord& record) {
    out.long_string(record.vhost);
    out.long_string(record.source);
    out.u8(static_cast<std::uint8_t>(record.destination_kind));
    out.long_string(record.destination);
    out.long_string(record.routing_key);
    amqp::write_table(out, record.arguments);
}

template <typename BindingRecord>
BindingRecord read_binding(amqp::Reader& in) {
    BindingRecord record;
    record.vhost = read_text(in);
    record.source = read_text(in);
    record.destination_kind =
        in.u8() == 0 ? core::DestinationKind::queue : core::DestinationKind::exchange;
    record.destination = read_text(in);
    record.routing_key = read_text(in);
    record.arguments = amqp::read_table(in);
    return record;
}

class Encoder {
public:
    explicit Encoder(amqp::Writer& out) : out_(out) {}

    Kind operator()(const core::MessageStored& record) {
        write_head(out_, record);
        return Kind::message_stored;
    }
    Kind operator()(const core::MessagesRemoved& record) {
        out_.u64(record.queue.value);
        for (const core::PositionRange& range : record.ranges) {
            out_.u64(range.first);
            out_.u64(range.last);
        }
        return Kind::messages_removed;
    }
    Kind operator()(const core::MessageReturned& record) {
        out_.u64(record.queue.value);
        out_.u64(record.position);
        out_.u32(record.delivery_count);
        return Kind::message_returned;
    }
    Kind operator()(const core::TransactionBegan& record) {
        out_.u32(record.records);
        return Kind::transaction_began;
    }
    Kind operator()(const core::Stopped&) { return Kind::stopped; }
    Kind operator()(const core::VhostPut& record) {
        texts({record.name, record.description});
        write(out_, record.tags);
        return Kind::vhost_put;
    }
    Kind operator()(const core::VhostRemoved& record) {
        texts({record.name});
        return Kind::vhost_removed;
    }
    Kind operator()(const core::UserPut& record) {
        texts({record.name, record.password_hash, record.hash_algorithm});
        write(out_, record.tags);
        return Kind::user_put;
    }
    Kind operator()(const core::UserRemoved& record) {
        texts({record.name});
        return Kind::user_removed;
    }
    Kind operator()(const core::PermissionPut& record) {
        texts({record.vhost, record.user, record.configure, record.write, record.read});
        return Kind::permission_put;
    }
    Kind operator()(const core::PermissionRemoved& record) {
        texts({record.vhost, record.user});
        return Kind::permission_removed;
    }
    Kind operator()(const core::TopicPermissionPut& record) {
        texts({record.vhost, record.user, record.exchange, record.write, record.read});
        return Kind::topic_permission_put;
    }
    Kind operator()(const core::TopicPermissionRemoved& record) {
        texts({record.vhost, record.user, record.exchange});
        return Kind::topic_permission_removed;
    }
    Kind operator()(const core::ExchangeDeclared& record) {
        texts({record.vhost, record.name, record.type});
        out_.u8(record.auto_delete ? 1 : 0);
        out_.u8(record.internal ? 1 : 0);
        amqp::write_table(out_, record.arguments);
        return Kind::exchange_declared;
    }
    Kind operator()(const core::ExchangeDeleted& record) {
        texts({record.vhost, record.name});
        return Kind::exchange_deleted;
    }
    Kind operator()(const core::QueueDeclared& record) {
        out_.u64(record.id.value);
        texts({record.vhost, record.name});
        out_.u8(record.auto_delete ? 1 : 0);
        amqp::write_table(out_, record.arguments);
        return Kind::queue_declared;
    }
    Kind operator()(const core::QueueDeleted& record) {
        out_.u64(record.id.value);
        return Kind::queue_deleted;
    }
    Kind operator()(const core::Bound& record) {
        write_binding(out_, record);
        return Kind::bound;
    }
    Kind operator()(const core::Unbound& record) {
        write_binding(out_, record);
        return Kind::unbound;
    }
    Kind operator()(const core::ParameterPut& record) {
        texts({record.vhost, record.component, record.name, record.value});
        return Kind::parameter_put;
    }
    Kind operator()(const core::PolicyPut& record) {
        texts({record.vhost, record.name, record.pattern, record.apply_to});
        out_.u32(static_cast<std::uint32_t>(record.priority));
        out_.u8(record.is_operator ? 1 : 0);
        amqp::write_table(out_, record.definition);
        return Kind::policy_put;
    }
    Kind operator()(const core::PolicyRemoved& record) {
        texts({record.vhost, record.name});
        out_.u8(record.is_operator ? 1 : 0);
        return Kind::policy_removed;
    }
    Kind operator()(const core::VhostLimitsPut& record) {
        texts({record.vhost});
        write(out_, record.connections_max);
        write(out_, record.queues_max);
        return Kind::vhost_limits_put;
    }
    Kind operator()(const core::UserLimitsPut& record) {
        texts({record.user});
        write(out_, record.connections_max);
        write(out_, record.channels_max);
        return Kind::user_limits_put;
    }

private:
    void texts(std::initializer_list<std::string_view> values) {
        for (const std::string_view value : values)
            out_.long_string(value);
    }

    amqp::Writer& out_;
};

core::MessagesRemoved read_removed(amqp::Reader& in) {
    core::MessagesRemoved record;
    record.queue.value = in.u64();
    while (!in.empty() && !in.failed()) {
        core::PositionRange range;
        range.first = in.u64();
        range.last = in.u64();
        record.ranges.push_back(range);
    }
    return record;
}

core::ExchangeDeclared read_exchange(amqp::Reader& in) {
    core::ExchangeDeclared record;
    record.vhost = read_text(in);
    record.name = read_text(in);
    record.type = read_text(in);
    record.auto_delete = in.u8() != 0;
    record.internal = in.u8() != 0;
    record.arguments = amqp::read_table(in);
    return record;
}

core::QueueDeclared read_queue(amqp::Reader& in) {
    core::QueueDeclared record;
    record.id.value = in.u64();
    record.vhost = read_text(in);
    record.name = read_text(in);
    record.auto_delete = in.u8() != 0;
    record.arguments = amqp::read_table(in);
    return record;
}

core::PolicyPut read_policy(amqp::Reader& in) {
    core::PolicyPut record;
    record.vhost = read_text(in);
    record.name = read_text(in);
    record.pattern = read_text(in);
    record.apply_to = read_text(in);
    record.priority = static_cast<std::int32_t>(in.u32());
    record.is_operator = in.u8() != 0;
    record.definition = amqp::read_table(in);
    return record;
}

// Braces evaluate from left to right, so the fields are read in the order they were written.
std::optional<core::Record> read_definition(Kind kind, amqp::Reader& in) {
    switch (kind) {
    case Kind::vhost_put:
        return core::VhostPut{read_text(in), read_text(in), read_texts(in)};
    case Kind::vhost_removed:
        return core::VhostRemoved{read_text(in)};
    case Kind::user_put:
        return core::UserPut{read_text(in), read_text(in), read_text(in), read_texts(in)};
    case Kind::user_removed:
        return core::UserRemoved{read_text(in)};
    case Kind::permission_put:
        return core::PermissionPut{read_text(in), read_text(in), read_text(in), read_text(in),
                                   read_text(in)};
    case Kind::permission_removed:
        return core::PermissionRemoved{read_text(in), read_text(in)};
    case Kind::topic_permission_put:
        return core::TopicPermissionPut{read_text(in), read_text(in), read_text(in), read_text(in),
                                        read_text(in)};
    case Kind::topic_permission_removed:
        return core::TopicPermissionRemoved{read_text(in), read_text(in), read_text(in)};
    case Kind::exchange_declared:
        return read_exchange(in);
    case Kind::exchange_deleted:
        return core::ExchangeDeleted{read_text(in), read_text(in)};
    case Kind::queue_declared:
        return read_queue(in);
    case Kind::queue_deleted:
        return core::QueueDeleted{{in.u64()}};
    case Kind::bound:
        return read_binding<core::Bound>(in);
    case Kind::unbound:
        return read_binding<core::Unbound>(in);
    case Kind::parameter_put:
        return core::ParameterPut{read_text(in), read_text(in), read_text(in), read_text(in)};
    case Kind::policy_put:
        return read_policy(in);
    case Kind::policy_removed:
        return core::PolicyRemoved{read_text(in), read_text(in), in.u8() != 0};
    case Kind::vhost_limits_put:
        return core::VhostLimitsPut{read_text(in), read_limit(in), read_limit(in)};
    case Kind::user_limits_put:
        return core::UserLimitsPut{read_text(in), read_limit(in), read_limit(in)};
    case Kind::message_stored:
    case Kind::messages_removed:
    case Kind::message_returned:
    case Kind::transaction_began:
    case Kind::stopped:
        break;
    }
    return std::nullopt;
}

std::optional<core::Record> read_record(Kind kind, amqp::Reader& in) {
    if (kind == Kind::message_stored) return read_message(in, true);
    if (kind == Kind::messages_removed) return read_removed(in);
    if (kind == Kind::message_returned)
        return core::MessageReturned{{in.u64()}, in.u64(), in.u32()};
    if (kind == Kind::transaction_began) return core::TransactionBegan{in.u32()};
    if (kind == Kind::stopped) return core::Stopped{};
    return read_definition(kind, in);
}

} // namespace

EncodedRecord encode_record(const core::Record& record, amqp::Buffer& buffer) {
    buffer.clear();
    amqp::Writer out(buffer);
    const Kind kind = std::visit(Encoder(out), record);
    EncodedRecord encoded{static_cast<std::uint8_t>(kind), buffer.view(), {}};
    if (const auto* stored = std::get_if<core::MessageStored>(&record))
        encoded.body = stored->message->body();
    return encoded;
}

namespace {

Result<core::Record> finished(std::optional<core::Record> record, const amqp::Reader& in) {
    if (!record) return make_error_code(Errc::newer_format);
    if (!in.finish()) return make_error_code(Errc::damaged);
    return std::move(*record);
}

} // namespace

Result<core::Record> decode_record(std::uint8_t kind, ByteView payload) {
    amqp::Reader in(payload);
    return finished(read_record(static_cast<Kind>(kind), in), in);
}

Result<core::Record> decode_record_without_content(std::uint8_t kind, ByteView payload) {
    if (!is_message_stored(kind)) return decode_record(kind, payload);
    amqp::Reader in(payload);
    return finished(read_message(in, false), in);
}

Result<core::MessageRef> decode_message(ByteView payload) {
    amqp::Reader in(payload);
    core::MessageStored stored = read_message(in, true);
    if (!in.finish()) return make_error_code(Errc::damaged);
    return std::move(stored.message);
}

bool is_message_stored(std::uint8_t kind) {
    return kind == static_cast<std::uint8_t>(Kind::message_stored);
}

} // namespace baton::broker::journal
