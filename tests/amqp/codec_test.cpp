// Methods and frames: round trips of every method, known bytes, and refusal of broken ones.
#include "amqp/frame.hpp"
#include "amqp/frame_reader.hpp"
#include "amqp/method_codec.hpp"
#include "tests/amqp/some_values.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace baton::amqp {
namespace {

using namespace std::string_literals;

template <typename T>
class EveryMethod : public testing::Test {};

template <typename Variant>
struct AsTypes;
template <typename... Methods>
struct AsTypes<std::variant<Methods...>> {
    using Type = testing::Types<Methods...>;
};
TYPED_TEST_SUITE(EveryMethod, AsTypes<Method>::Type);

TYPED_TEST(EveryMethod, SurvivesTheWayThroughTheWire) {
    SomeValues some(17);
    for (int round = 0; round < 50; ++round) {
        const auto method = some.method<TypeParam>();
        Buffer out;
        ASSERT_TRUE(encode_method(method, out));

        const auto decoded = decode_method(out.view());

        ASSERT_TRUE(decoded) << decoded.error().message();
        EXPECT_EQ(std::get<TypeParam>(*decoded), method);
        EXPECT_EQ(*decode_method_as<TypeParam>(out.view()), method);
        EXPECT_EQ(id_of(*decoded), TypeParam::id);
        EXPECT_EQ(to_text(*decoded).substr(0, TypeParam::name.size()), TypeParam::name);
    }
}

TYPED_TEST(EveryMethod, IsRefusedWhenCutAnywhereOrTooLong) {
    SomeValues some(3);
    Buffer out;
    ASSERT_TRUE(encode_method(some.method<TypeParam>(), out));

    for (std::size_t size = 0; size < out.size(); ++size)
        EXPECT_EQ(decode_method(out.view().first(size)).error(), Errc::truncated);
    out.append(std::string_view("\0", 1));
    EXPECT_EQ(decode_method(out.view()).error(), Errc::trailing_bytes);
}

TEST(MethodCodec, NeighbouringBitsShareAnOctet) {
    const QueueDeclare declare{.queue = "q", .durable = true, .auto_delete = true};
    Buffer out;
    ASSERT_TRUE(encode_method(declare, out));
    EXPECT_EQ(out.text(), "\0\x32\0\x0A\0\0\x01q\x0A\0\0\0\0"s);
}

TEST(MethodCodec, ViewsPointIntoThePayload) {
    Buffer out;
    ASSERT_TRUE(encode_method(BasicPublish{"logs", "a.b", true, false}, out));

    const auto view = decode_method_as<BasicPublishView>(out.view());

    ASSERT_TRUE(view);
    EXPECT_EQ(view->exchange, "logs");
    EXPECT_EQ(view->routing_key, "a.b");
    EXPECT_TRUE(view->mandatory);
    EXPECT_EQ(as_bytes(view->exchange).data(), out.data() + 7);
}

TEST(MethodCodec, UnknownMethodsAndClassesAreToldApart) {
    EXPECT_EQ(decode_method(as_bytes("\0\x32\0\x63"s)).error(), Errc::unknown_method);
    EXPECT_EQ(decode_method(as_bytes("\0\x0B\0\x0A"s)).error(), Errc::unknown_class);
    EXPECT_EQ(decode_method_as<BasicAck>(as_bytes("\0\x32\0\x63"s)).error(),
              Errc::unexpected_method);
}

TEST(MethodCodec, AShortStringOfMoreThan255BytesIsNotWritten) {
    Buffer out;
    out.append("before");
    const Status status = encode_method(QueueDelete{.queue = std::string(256, 'x')}, out);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), Errc::short_string_too_long);
    EXPECT_EQ(out.text(), "before");
}

TEST(MethodCodec, TextForLogsHidesSecretsAndLeavesOutWhatIsEmpty) {
    const ConnectionStartOk start_ok{.mechanism = "PLAIN", .response = {"\0guest\0secret"s}};
    EXPECT_EQ(to_text(Method(start_ok)), "connection.start-ok{mechanism=PLAIN, response=***}");
    const QueueDeclare declare{.queue = "q", .durable = true, .arguments = {{"x-max-length", 5}}};
    EXPECT_EQ(to_text(Method(declare)),
              "queue.declare{queue=q, durable=true, arguments={x-max-length=5}}");
}

TEST(Errors, EveryErrorOfTheWireHasItsReplyCode) {
    EXPECT_EQ(reply_code_for(Errc::bad_frame_end), ReplyCode::frame_error);
    EXPECT_EQ(reply_code_for(Errc::truncated), ReplyCode::syntax_error);
    EXPECT_EQ(reply_code_for(Errc::unknown_class), ReplyCode::command_invalid);
    EXPECT_EQ(reply_code_for(Errc::unexpected_frame), ReplyCode::unexpected_frame);
    EXPECT_EQ(reply_code_for(Errc::unknown_method), ReplyCode::not_implemented);
    EXPECT_EQ(reply_code_for(ReplyCode::not_found), ReplyCode::not_found);
    EXPECT_EQ(reply_code_for(boost::system::errc::make_error_code(boost::system::errc::io_error)),
              ReplyCode::internal_error);
    EXPECT_EQ(ErrorCode(ReplyCode::not_found).message(), "404 NOT_FOUND");
}

// --- frames -----------------------------------------------------------------------------------

std::vector<std::string> frames_of(const Buffer& out, std::uint32_t frame_max) {
    FrameReader reader;
    reader.set_frame_max(frame_max);
    std::vector<std::string> frames;
    ByteView rest = out.view();
    while (!rest.empty()) {
        const auto space = reader.writable();
        const std::size_t count = std::min(space.size(), rest.size());
        std::memcpy(space.data(), rest.data(), count);
        reader.written(count);
        rest = rest.subspan(count);
        while (true) {
            const auto frame = reader.next();
            if (!frame) {
                frames.push_back(frame.error().message());
                return frames;
            }
            if (!*frame) break;
            frames.push_back(std::to_string(static_cast<int>((*frame)->type)) + ":" +
                             std::to_string((*frame)->channel) + ":" +
                             std::string(as_text((*frame)->payload)));
        }
    }
    return frames;
}

const Content some_content{no_properties, as_bytes("hello")};

// The appenders of the hot path must write what the general codec writes.
template <AnyMethod M>
void expect_method_frame(const Buffer& out, const M& method) {
    Buffer expected;
    ASSERT_TRUE(append_method(expected, 7, method));
    EXPECT_EQ(out.text().substr(0, expected.size()), expected.text());
}

TEST(Frames, DeliverIsMethodHeaderAndBody) {
    const BasicDeliver deliver{"tag", 9, true, "exchange", "key"};
    Buffer out;
    append_deliver(out, 7, {"tag", 9, true, "exchange", "key"}, some_content, 4096);

    expect_method_frame(out, deliver);
    const auto frames = frames_of(out, 4096);
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[1], "2:7:\0\x3C\0\0\0\0\0\0\0\0\0\x05\0\0"s);
    EXPECT_EQ(frames[2], "3:7:hello");
}

TEST(Frames, TheOtherAppendersAgreeWithTheCodec) {
    Buffer get_ok;
    append_get_ok(get_ok, 7, {3, false, "e", "k", 12}, some_content, 4096);
    expect_method_frame(get_ok, BasicGetOk{3, false, "e", "k", 12});

    Buffer returned;
    append_return(returned, 7, {312, "NO_ROUTE", "e", "k"}, some_content, 4096);
    expect_method_frame(returned, BasicReturn{312, "NO_ROUTE", "e", "k"});

    Buffer publish;
    ASSERT_TRUE(append_publish(publish, 7, {"e", "k", true, false}, some_content, 4096));
    expect_method_frame(publish, BasicPublish{"e", "k", true, false});

    Buffer ack;
    append_ack(ack, 7, {5, true});
    expect_method_frame(ack, BasicAck{5, true});

    Buffer nack;
    append_nack(nack, 7, {5, true, false});
    expect_method_frame(nack, BasicNack{5, true, false});
}

TEST(Frames, AnEmptyBodyHasNoBodyFrame) {
    Buffer out;
    append_deliver(out, 1, {"t", 1, false, "", "q"}, {no_properties, {}}, 4096);
    EXPECT_EQ(frames_of(out, 4096).size(), 2u);
}

TEST(Frames, ABodyIsCutAtFrameMaxMinusEight) {
    const std::string body(3 * (4096 - 8) + 1, 'b');
    Buffer out;
    append_body(out, 1, as_bytes(body), 4096);

    const auto frames = frames_of(out, 4096);

    ASSERT_EQ(frames.size(), 4u);
    EXPECT_EQ(frames[0].size(), 4 + 4088u);
    EXPECT_EQ(frames[3], "3:1:b");
}

TEST(Frames, NoLimitMeansOneFrame) {
    const std::string body(1'000'000, 'b');
    Buffer out;
    append_body(out, 1, as_bytes(body), 0);
    EXPECT_EQ(frames_of(out, 0).size(), 1u);
}

TEST(Frames, PublishRefusesWhatDoesNotFit) {
    Buffer out;
    const std::string long_key(256, 'k');
    const auto too_long = append_publish(out, 1, {"", long_key, false, false}, some_content, 4096);
    EXPECT_EQ(too_long.error(), Errc::short_string_too_long);
    const std::string properties(4096, 'p');
    const auto too_large =
        append_publish(out, 1, {"", "q", false, false}, {as_bytes(properties), {}}, 4096);
    EXPECT_EQ(too_large.error(), Errc::value_too_large);
    EXPECT_TRUE(out.empty());
}

TEST(Frames, AContentHeaderWithWeightIsRefused) {
    const std::string bytes = "\0\x3C\0\0\0\0\0\0\0\0\0\x05\0\0"s;
    const auto good = decode_content_header(as_bytes(bytes));
    ASSERT_TRUE(good);
    EXPECT_EQ(good->class_id, 60);
    EXPECT_EQ(good->body_size, 5u);
    EXPECT_EQ(as_text(good->properties), "\0\0"s);
    EXPECT_EQ(decode_content_header(as_bytes("\0\x3C\0\x01\0\0\0\0\0\0\0\x05\0\0"s)).error(),
              Errc::bad_content_header);
    EXPECT_EQ(decode_content_header(as_bytes("\0\x3C\0\0\0\0\0"s)).error(), Errc::truncated);
}

TEST(Buffer, GrowsAtTheEndAndShrinksAtTheFront) {
    Buffer buffer;
    std::string expected;
    for (int round = 0; round < 1000; ++round) {
        const std::string piece(static_cast<std::size_t>(round % 37), static_cast<char>(round));
        buffer.append(piece);
        expected += piece;
        const std::size_t gone = std::min<std::size_t>(expected.size(), 13);
        buffer.discard_front(gone);
        expected.erase(0, gone);
        ASSERT_EQ(buffer.text(), expected);
    }
}

} // namespace
} // namespace baton::amqp
