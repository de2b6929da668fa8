// Reading, writing and printing methods by walking their field lists.
#include "amqp/method_codec.hpp"

#include <fmt/format.h>

#include <array>
#include <type_traits>
#include <utility>

namespace baton::amqp {

namespace {

// Visits the fields of a method that is being read. Neighbouring bits come from one octet.
class FieldReader {
public:
    explicit FieldReader(Reader& in) : in_(in) {}

    void operator()(const char*, bool& field) { field = next_bit(); }
    void operator()(const char*, std::uint8_t& field) { field = begin().u8(); }
    void operator()(const char*, std::uint16_t& field) { field = begin().u16(); }
    void operator()(const char*, std::uint32_t& field) { field = begin().u32(); }
    void operator()(const char*, std::uint64_t& field) { field = begin().u64(); }
    void operator()(const char*, std::string& field) { field = begin().short_string(); }
    void operator()(const char*, std::string_view& field) { field = begin().short_string(); }
    void operator()(const char*, LongString& field) { field.text = begin().long_string(); }
    void operator()(const char*, SecretString& field) { field.text = begin().long_string(); }
    void operator()(const char*, FieldTable& field) { field = read_table(begin()); }
    void operator()(const char*, const ReservedShort&) { begin().u16(); }
    void operator()(const char*, const ReservedShortString&) { begin().short_string(); }
    void operator()(const char*, const ReservedLongString&) { begin().long_string(); }
    void operator()(const char*, const ReservedBit&) { next_bit(); }

private:
    // Something that is not a bit ends the octet of bits.
    Reader& begin() {
        bits_read_ = 0;
        return in_;
    }
    bool next_bit() {
        if (bits_read_ % 8 == 0) bits_ = in_.u8();
        return (bits_ >> (bits_read_++ % 8) & 1) != 0;
    }

    Reader& in_;
    std::uint8_t bits_ = 0;
    int bits_read_ = 0;
};

class FieldWriter {
public:
    explicit FieldWriter(Writer& out) : out_(out) {}

    void operator()(const char*, bool field) { put_bit(field); }
    void operator()(const char*, std::uint8_t field) { begin().u8(field); }
    void operator()(const char*, std::uint16_t field) { begin().u16(field); }
    void operator()(const char*, std::uint32_t field) { begin().u32(field); }
    void operator()(const char*, std::uint64_t field) { begin().u64(field); }
    void operator()(const char*, std::string_view field) { begin().short_string(field); }
    void operator()(const char*, const LongString& field) { begin().long_string(field.text); }
    void operator()(const char*, const SecretString& field) { begin().long_string(field.text); }
    void operator()(const char*, const FieldTable& field) { write_table(begin(), field); }
    void operator()(const char*, const ReservedShort&) { begin().u16(0); }
    void operator()(const char*, const ReservedShortString&) { begin().short_string({}); }
    void operator()(const char*, const ReservedLongString&) { begin().long_string({}); }
    void operator()(const char*, const ReservedBit&) { put_bit(false); }

    // To be called after the last field.
    void finish() { begin(); }

private:
    Writer& begin() {
        if (bit_count_ != 0) out_.u8(bits_);
        bits_ = 0;
        bit_count_ = 0;
        return out_;
    }
    void put_bit(bool bit) {
        if (bit_count_ == 8) begin();
        bits_ = static_cast<std::uint8_t>(bits_ | (bit ? 1u : 0u) << bit_count_);
        ++bit_count_;
    }

    Writer& out_;
    std::uint8_t bits_ = 0;
    int bit_count_ = 0;
};

// Prints what differs from nothing.
class FieldPrinter {
public:
    explicit FieldPrinter(std::string_view name) : text_(name) { text_ += '{'; }

    void operator()(const char* name, bool field) {
        if (field) add(name, "true");
    }
    void operator()(const char* name, std::unsigned_integral auto field) {
        if (field != 0) add(name, std::to_string(field));
    }
    void operator()(const char* name, std::string_view field) {
        if (!field.empty()) add(name, field);
    }
    void operator()(const char* name, const LongString& field) { (*this)(name, field.text); }
    void operator()(const char* name, const SecretString& field) {
        if (!field.text.empty()) add(name, "***");
    }
    void operator()(const char* name, const FieldTable& field) {
        if (!field.empty()) add(name, to_text(field));
    }
    void operator()(const char*, const ReservedShort&) {}
    void operator()(const char*, const ReservedShortString&) {}
    void operator()(const char*, const ReservedLongString&) {}
    void operator()(const char*, const ReservedBit&) {}

    std::string text() && { return std::move(text_) + "}"; }

private:
    void add(std::string_view name, std::string_view value) {
        if (text_.back() != '{') text_ += ", ";
        text_ += name;
        text_ += '=';
        text_ += value;
    }
    std::string text_;
};

template <AnyMethod M>
Result<M> read_fields(Reader in) {
    M method;
    FieldReader reader(in);
    M::each_field(method, reader);
    BATON_TRY(in.finish());
    return method;
}

MethodId read_id(Reader& in) {
    const std::uint16_t class_id = in.u16();
    return {class_id, in.u16()};
}

constexpr std::size_t method_count = std::variant_size_v<Method>;

template <std::size_t Index>
using MethodAt = std::variant_alternative_t<Index, Method>;

struct Entry {
    MethodId id;
    std::string_view name;
    Result<Method> (*decode)(Reader);
};

template <AnyMethod M>
Result<Method> decode_into_variant(Reader in) {
    auto method = read_fields<M>(in);
    if (!method) return method.error();
    return Method(std::move(*method));
}

template <std::size_t... Index>
constexpr std::array<Entry, method_count> make_entries(std::index_sequence<Index...>) {
    return {Entry{MethodAt<Index>::id, MethodAt<Index>::name,
                  &decode_into_variant<MethodAt<Index>>}...};
}

const Entry* find_entry(MethodId id) {
    static constexpr auto entries = make_entries(std::make_index_sequence<method_count>());
    for (const Entry& entry : entries)
        if (entry.id == id) return &entry;
    return nullptr;
}

bool is_known_class(std::uint16_t class_id) {
    switch (class_id) {
    case class_ids::connection:
    case class_ids::channel:
    case class_ids::access:
    case class_ids::exchange:
    case class_ids::queue:
    case class_ids::basic:
    case class_ids::confirm:
    case class_ids::tx:
        return true;
    default:
        return false;
    }
}

} // namespace

Result<MethodId> peek_method_id(ByteView payload) {
    Reader in(payload);
    const MethodId id = read_id(in);
    BATON_TRY(in.status());
    return id;
}

Result<Method> decode_method(ByteView payload) {
    Reader in(payload);
    const MethodId id = read_id(in);
    BATON_TRY(in.status());
    if (const Entry* entry = find_entry(id)) return entry->decode(in);
    return ErrorCode(is_known_class(id.class_id) ? Errc::unknown_method : Errc::unknown_class);
}

template <AnyMethod M>
Result<M> decode_method_as(ByteView payload) {
    Reader in(payload);
    const MethodId id = read_id(in);
    BATON_TRY(in.status());
    if (id != M::id) return ErrorCode(Errc::unexpected_method);
    return read_fields<M>(in);
}

template <AnyMethod M>
Status encode_method(const M& method, Buffer& out) {
    const std::size_t size_before = out.size();
    Writer writer(out);
    writer.u16(M::id.class_id);
    writer.u16(M::id.method_id);
    FieldWriter fields(writer);
    M::each_field(method, fields);
    fields.finish();
    Status status = writer.status();
    if (!status) out.truncate(size_before);
    return status;
}

Status encode_method(const Method& method, Buffer& out) {
    return std::visit([&out](const auto& content) { return encode_method(content, out); }, method);
}

MethodId id_of(const Method& method) {
    return std::visit([](const auto& content) { return content.id; }, method);
}

std::string_view name_of(const Method& method) {
    return std::visit([](const auto& content) { return content.name; }, method);
}

std::string name_of(MethodId id) {
    if (const Entry* entry = find_entry(id)) return std::string(entry->name);
    return fmt::format("class {} method {}", id.class_id, id.method_id);
}

std::string to_text(const Method& method) {
    return std::visit(
        [](const auto& content) {
            FieldPrinter printer(content.name);
            content.each_field(content, printer);
            return std::move(printer).text();
        },
        method);
}

// Everything that decode_method_as and encode_method promise to be defined for.
#define BATON_INSTANTIATE(M)                                                                       \
    template Result<M> decode_method_as<M>(ByteView);                                              \
    template Status encode_method<M>(const M&, Buffer&);
BATON_INSTANTIATE(ConnectionStart)
BATON_INSTANTIATE(ConnectionStartOk)
BATON_INSTANTIATE(ConnectionSecure)
BATON_INSTANTIATE(ConnectionSecureOk)
BATON_INSTANTIATE(ConnectionTune)
BATON_INSTANTIATE(ConnectionTuneOk)
BATON_INSTANTIATE(ConnectionOpen)
BATON_INSTANTIATE(ConnectionOpenOk)
BATON_INSTANTIATE(ConnectionClose)
BATON_INSTANTIATE(ConnectionCloseOk)
BATON_INSTANTIATE(ConnectionBlocked)
BATON_INSTANTIATE(ConnectionUnblocked)
BATON_INSTANTIATE(ConnectionUpdateSecret)
BATON_INSTANTIATE(ConnectionUpdateSecretOk)
BATON_INSTANTIATE(ChannelOpen)
BATON_INSTANTIATE(ChannelOpenOk)
BATON_INSTANTIATE(ChannelFlow)
BATON_INSTANTIATE(ChannelFlowOk)
BATON_INSTANTIATE(ChannelClose)
BATON_INSTANTIATE(ChannelCloseOk)
BATON_INSTANTIATE(AccessRequest)
BATON_INSTANTIATE(AccessRequestOk)
BATON_INSTANTIATE(ExchangeDeclare)
BATON_INSTANTIATE(ExchangeDeclareOk)
BATON_INSTANTIATE(ExchangeDelete)
BATON_INSTANTIATE(ExchangeDeleteOk)
BATON_INSTANTIATE(ExchangeBind)
BATON_INSTANTIATE(ExchangeBindOk)
BATON_INSTANTIATE(ExchangeUnbind)
BATON_INSTANTIATE(ExchangeUnbindOk)
BATON_INSTANTIATE(QueueDeclare)
BATON_INSTANTIATE(QueueDeclareOk)
BATON_INSTANTIATE(QueueBind)
BATON_INSTANTIATE(QueueBindOk)
BATON_INSTANTIATE(QueuePurge)
BATON_INSTANTIATE(QueuePurgeOk)
BATON_INSTANTIATE(QueueDelete)
BATON_INSTANTIATE(QueueDeleteOk)
BATON_INSTANTIATE(QueueUnbind)
BATON_INSTANTIATE(QueueUnbindOk)
BATON_INSTANTIATE(BasicQos)
BATON_INSTANTIATE(BasicQosOk)
BATON_INSTANTIATE(BasicConsume)
BATON_INSTANTIATE(BasicConsumeOk)
BATON_INSTANTIATE(BasicCancel)
BATON_INSTANTIATE(BasicCancelOk)
BATON_INSTANTIATE(BasicPublish)
BATON_INSTANTIATE(BasicPublishView)
BATON_INSTANTIATE(BasicReturn)
BATON_INSTANTIATE(BasicReturnView)
BATON_INSTANTIATE(BasicDeliver)
BATON_INSTANTIATE(BasicDeliverView)
BATON_INSTANTIATE(BasicGet)
BATON_INSTANTIATE(BasicGetOk)
BATON_INSTANTIATE(BasicGetOkView)
BATON_INSTANTIATE(BasicGetEmpty)
BATON_INSTANTIATE(BasicAck)
BATON_INSTANTIATE(BasicReject)
BATON_INSTANTIATE(BasicRecoverAsync)
BATON_INSTANTIATE(BasicRecover)
BATON_INSTANTIATE(BasicRecoverOk)
BATON_INSTANTIATE(BasicNack)
BATON_INSTANTIATE(ConfirmSelect)
BATON_INSTANTIATE(ConfirmSelectOk)
BATON_INSTANTIATE(TxSelect)
BATON_INSTANTIATE(TxSelectOk)
BATON_INSTANTIATE(TxCommit)
BATON_INSTANTIATE(TxCommitOk)
BATON_INSTANTIATE(TxRollback)
BATON_INSTANTIATE(TxRollbackOk)
#undef BATON_INSTANTIATE

} // namespace baton::amqp
