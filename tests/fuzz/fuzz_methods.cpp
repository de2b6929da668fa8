// Any bytes as the payload of a method frame and of a header frame: what can be decoded must
// survive encoding and decoding, and the view of properties must agree with the decoder.
#include "amqp/frame.hpp"
#include "amqp/method_codec.hpp"
#include "amqp/properties.hpp"
#include "base/assert.hpp"

#include <string>

using namespace baton;

namespace {

void check_method(ByteView payload) {
    const auto method = amqp::decode_method(payload);
    if (!method) return;
    amqp::Buffer first;
    BATON_ASSERT(amqp::encode_method(*method, first), "what was decoded can be encoded");
    const auto again = amqp::decode_method(first.view());
    BATON_ASSERT(again, "what was encoded can be decoded");
    // Bytes and not values are compared: a NaN is not equal to itself.
    amqp::Buffer second;
    BATON_ASSERT(amqp::encode_method(*again, second), "and encoded again");
    BATON_ASSERT(first.text() == second.text(), "to the same bytes");
    BATON_ASSERT(amqp::to_text(*method) == amqp::to_text(*again), "which print the same");
}

void check_content_header(ByteView payload) {
    const auto header = amqp::decode_content_header(payload);
    if (!header) return;
    const auto properties = amqp::decode_properties(header->properties);
    const auto view = amqp::PropertiesView::parse(header->properties);
    BATON_ASSERT(!properties || view, "the view accepts what the decoder accepts");
    if (view) {
        const auto headers = view->headers();
        const bool headers_are_fine = !headers || amqp::check_table(*headers);
        BATON_ASSERT(properties.has_value() == headers_are_fine, "the decoder also reads headers");
        BATON_ASSERT(!properties || view->message_id() == properties->message_id, "same values");
    }
    if (!properties) return;
    amqp::Buffer first;
    BATON_ASSERT(amqp::encode_properties(*properties, first), "what was decoded can be encoded");
    const auto again = amqp::decode_properties(first.view());
    BATON_ASSERT(again, "what was encoded can be decoded");
    BATON_ASSERT(amqp::to_text(*again) == amqp::to_text(*properties), "to the same values");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes = std::as_bytes(std::span(data, size));
    check_method(bytes);
    check_content_header(bytes);
    return 0;
}
