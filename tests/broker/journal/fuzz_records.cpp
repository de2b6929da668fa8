// Fuzz target: any bytes as records of the journal and as a paged message. What can be decoded
// survives the way back, and reading without the content sees the same queues and positions.
#include "base/assert.hpp"
#include "broker/journal/record_codec.hpp"

#include <string>

namespace {

using namespace baton;
using namespace baton::broker;

std::string encoded(const core::Record& record) {
    amqp::Buffer buffer;
    const journal::EncodedRecord bytes = journal::encode_record(record, buffer);
    return std::string(as_text(bytes.head)) + std::string(as_text(bytes.body));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::uint8_t kind = data[0];
    const ByteView payload = std::as_bytes(std::span(data + 1, size - 1));
    const auto record = journal::decode_record(kind, payload);
    const auto light = journal::decode_record_without_content(kind, payload);
    BATON_ASSERT(!record || light, "what can be read whole can be read without content");
    if (!record) return 0;
    const std::string first = encoded(*record);
    const auto again = journal::decode_record(kind, as_bytes(first));
    BATON_ASSERT(again, "what was encoded can be decoded");
    BATON_ASSERT(encoded(*again) == first, "to the same bytes");
    if (const auto* stored = std::get_if<core::MessageStored>(&*record)) {
        const auto& without = std::get<core::MessageStored>(*light);
        BATON_ASSERT(without.first.queue == stored->first.queue &&
                         without.first.position == stored->first.position &&
                         without.others.size() == stored->others.size(),
                     "the same places");
        const auto message = journal::decode_message(payload);
        BATON_ASSERT(message && as_text((*message)->body()) == as_text(stored->message->body()),
                     "the same message");
    }
    return 0;
}
