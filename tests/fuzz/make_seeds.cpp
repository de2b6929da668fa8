// Writes the first corpus of the AMQP fuzzers: every method, some properties and tables, a story of
// frames, conversations. Run as: make_fuzz_seeds DIRECTORY; it fills DIRECTORY/frames, /methods,
// /tables and /conversation.
#include "amqp/frame.hpp"
#include "amqp/method_codec.hpp"
#include "base/random.hpp"
#include "tests/amqp/some_values.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

using namespace baton;

namespace {

void write(const std::filesystem::path& path, std::string_view bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
}

template <std::size_t... Index>
void write_methods(const std::filesystem::path& root, std::index_sequence<Index...>) {
    amqp::SomeValues some(1);
    amqp::Buffer story;
    story.append(std::string_view("\x10", 1));
    const auto add = [&](const auto& method) {
        amqp::Buffer out;
        if (!amqp::encode_method(method, out)) return;
        write(root / "methods" / std::string(method.name), out.text());
        amqp::append_frame(story, amqp::FrameType::method, 1, out.view());
    };
    (add(some.method<std::variant_alternative_t<Index, amqp::Method>>()), ...);
    write(root / "frames" / "methods", story.text());
    // One conversation says every method on its channels; see fuzz_conversation.cpp.
    std::string conversation("\x01\x01", 2);
    const auto say = [&](const auto& method) {
        amqp::Buffer out;
        if (!amqp::encode_method(method, out) || out.size() > 255) return;
        conversation += "\x50";
        conversation += static_cast<char>(out.size());
        conversation += out.text();
    };
    (say(some.method<std::variant_alternative_t<Index, amqp::Method>>()), ...);
    write(root / "conversation" / "methods", conversation);
}

void write_conversations(const std::filesystem::path& root) {
    Random random(3);
    for (int number = 0; number < 20; ++number) {
        std::string choices(1, '\0'); // chosen among everything there is
        choices += static_cast<char>(number);
        for (int count = 0; count < 1500; ++count)
            choices += static_cast<char>(random.below(256));
        write(root / "conversation" / std::to_string(number), choices);
    }
}

void write_contents(const std::filesystem::path& root) {
    amqp::SomeValues some(2);
    amqp::Buffer story;
    story.append(std::string_view("\x03", 1));
    for (int number = 0; number < 10; ++number) {
        amqp::Buffer properties;
        if (!amqp::encode_properties(some.properties(), properties)) continue;
        amqp::Buffer frame;
        amqp::append_content_header(frame, 1, 5, properties.view());
        const std::string_view payload = frame.text().substr(
            amqp::frame_header_bytes, frame.size() - amqp::frame_overhead_bytes);
        write(root / "methods" / ("header-" + std::to_string(number)), payload);
        amqp::append_deliver(story, 1, {"tag", 1, false, "exchange", "key"},
                             {properties.view(), as_bytes("hello")}, amqp::frame_bytes_min);

        amqp::Buffer table;
        amqp::Writer writer(table);
        amqp::write_table(writer, some.table(4));
        write(root / "tables" / std::to_string(number), table.text().substr(4));
    }
    amqp::append_heartbeat(story);
    write(root / "frames" / "deliveries", story.text());
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    write_methods(argv[1], std::make_index_sequence<std::variant_size_v<amqp::Method>>());
    write_contents(argv[1]);
    write_conversations(argv[1]);
    return 0;
}
