// Fuzz target: whole conversations of several connections with the core. Half of the inputs choose
// among all that clients, administrators, the clock and the journal may do (random_life.hpp), which
// leads deep; the other half are methods and contents of any bytes on channels that are open, which
// leads to every check. In the end, what the records give must be what the living broker knows.
#include "random_life.hpp"
#include "story.hpp"

#include "amqp/method_codec.hpp"
#include "base/assert.hpp"
#include "tests/support/fuzz_bytes.hpp"

#include <fmt/format.h>

namespace {

using namespace baton;
using namespace baton::broker::core;

using baton::test::FuzzBytes;

Options options_from(std::uint8_t choice) {
    Options options;
    options.message_bytes_max = 300;
    options.outbox_bytes_max = 1000;
    if (choice % 2 != 0) return options;
    // So little memory that most messages leave it.
    options.page_above = choice;
    options.page_all_above = choice * 2U;
    options.window_entries = options.block_entries = 1U + choice / 2U % 4U;
    options.block_bytes = 1U + choice % 10U;
    return options;
}

void live(Story& story, FuzzBytes& bytes) {
    RandomLife life([&](std::uint64_t bound) { return bytes.below(bound); });
    while (!bytes.is_empty()) {
        const std::uint8_t how = bytes.next();
        story.hold_loads(how % 2 == 0);
        if (how % 3 == 0) story.bring_loads();
        for (int lines = 1 + how / 64; lines != 0; --lines) story.tell(life.line());
        story.finish();
    }
}

// Names that exist, names that do not, and any bytes.
std::string_view name_from(FuzzBytes& bytes) {
    static constexpr std::string_view names[] = {"", "q0", "q1", "amq.fanout", "amq.topic",
                                                 "amq.headers", "amq.direct", "nothing"};
    const std::uint8_t choice = bytes.next();
    if (choice < 200) return names[choice % 8];
    return as_text(bytes.take(choice % 40));
}

void speak(Story& story, FuzzBytes& bytes) {
    for (const char* line : {"queue q0 durable", "queue q1 x-max-length=3", "bind q0 amq.topic a.#",
                             "bind q0 amq.fanout _", "bind q1 amq.headers _ x-match=any a=1",
                             "confirm ch=1.2", "tx-select ch=2.1", "consume q0 tag=c ch=2.1"})
        story.tell(line);
    story.finish();
    while (!bytes.is_empty()) {
        const std::uint8_t how = bytes.next();
        const std::uint64_t connection = 1U + how % 3U;
        const ChannelNumber channel = static_cast<ChannelNumber>(1U + how / 4U % 2U);
        story.tell(fmt::format("qos 0 ch={}.{}", connection, channel));
        const ConnectionId id{connection};
        switch (how / 16U % 8U) {
        case 0: story.finish(); break;
        case 1: story.tell("wait 0.2"); break;
        case 2: story.tell(fmt::format("lost ch={}", connection)); break;
        case 3: story.apply(AckReceived{id, channel, bytes.next(), bytes.next() % 2 == 0}); break;
        case 4: {
            PublishReceived publish;
            publish.connection = id;
            publish.channel = channel;
            publish.mandatory = bytes.next() % 2 == 0;
            publish.exchange = name_from(bytes);
            publish.routing_key = name_from(bytes);
            publish.properties = bytes.take(bytes.next());
            publish.body = bytes.take(bytes.next());
            story.apply(publish);
            break;
        }
        default:
            if (auto method = amqp::decode_method(bytes.take(bytes.next())))
                story.apply(MethodReceived{id, channel, std::move(*method)});
        }
    }
    story.finish();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzBytes bytes(std::as_bytes(std::span(data, size)));
    const bool is_structured = bytes.next() % 2 == 0;
    Story story(options_from(bytes.next()));
    if (is_structured)
        live(story, bytes);
    else
        speak(story, bytes);
    story.hold_loads(false);
    story.finish();
    const auto recovered = story.recovered();
    BATON_ASSERT(story.durable_state(story.broker()) == story.durable_state(*recovered),
                 "the records give what the living broker knows");
    return 0;
}
