// Any bytes as a field table: the decoder, the checker and the scanner agree, and what was decoded
// survives the way back.
#include "amqp/field_table.hpp"
#include "base/assert.hpp"

#include <string>

using namespace baton;

namespace {

amqp::Buffer encoded(const amqp::FieldTable& table) {
    amqp::Buffer out;
    amqp::Writer writer(out);
    amqp::write_table(writer, table);
    BATON_ASSERT(writer.status(), "what was decoded can be encoded");
    return out;
}

std::size_t count_entries(ByteView contents) {
    amqp::TableScanner scanner(contents);
    std::size_t count = 0;
    while (true) {
        const auto field = scanner.next();
        BATON_ASSERT(field, "the scanner accepts what the decoder accepts");
        if (!*field) return count;
        BATON_ASSERT((*field)->decode(), "and so does each of its fields");
        ++count;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView contents = std::as_bytes(std::span(data, size));
    const auto table = amqp::decode_table(contents);
    const Status status = amqp::check_table(contents);
    BATON_ASSERT(table.has_value() == status.has_value(), "decoder and checker agree");
    if (!table) {
        BATON_ASSERT(table.error() == status.error(), "also in what is wrong");
        return 0;
    }
    BATON_ASSERT(count_entries(contents) == table->size(), "the scanner sees every entry");
    const amqp::Buffer first = encoded(*table);
    const auto again = amqp::decode_table(first.view().subspan(4));
    BATON_ASSERT(again, "what was encoded can be decoded");
    BATON_ASSERT(encoded(*again).text() == first.text(), "to the same bytes");
    BATON_ASSERT(amqp::to_text(*again) == amqp::to_text(*table), "which print the same");
    static_cast<void>(amqp::equal_by_value(*table, *again));
    return 0;
}
