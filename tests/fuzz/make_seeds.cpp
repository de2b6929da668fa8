// Writes the first corpus of the AMQP fuzzers: every method, some properties and tables, a story of
// frames, conversations, requests. Run as: make_fuzz_seeds DIRECTORY; it fills DIRECTORY/frames, /methods,
// /tables, /conversation and /api.
#include "amqp/frame.hpp"
#include "amqp/method_codec.hpp"
#include "base/random.hpp"
#include "tests/amqp/some_values.hpp"

#include <fmt/format.h>

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

// For fuzz_api: a route by number, lines for its path and the query, a body. Which route takes how many
// lines and which body is for the fuzzer to find out.
void write_requests(const std::filesystem::path& root) {
    constexpr std::string_view bodies[] = {
        R"({"workflow":"some","input":{"n":1},"key":"k"})",
        R"({"file":"a.toml","source":"workflow = \"a\"\n[[step]]\nid = \"a\"\nset = { x = 1 }\n"})",
        R"({"reason":"because"})",
        R"({"task":"some.task","with":{"a":[1,2.5,null,true,"\u00fc"]},"timeout_ms":10})",
        R"({"durable":true,"auto_delete":false,"arguments":{"x-message-ttl":1000,"x-max-length":1}})",
        R"({"type":"direct","durable":true,"internal":false,"arguments":{"alternate-exchange":"other"}})",
        R"({"routing_key":"key","arguments":{"x-match":"all"}})",
        R"({"properties":{"delivery_mode":2,"headers":{"a":1}},"routing_key":"q","payload":"aGk=","payload_encoding":"base64"})",
        R"({"count":2,"ackmode":"ack_requeue_false","encoding":"auto","truncate":50})",
        R"({"configure":".*","write":"^a","read":""})",
        R"({"pattern":"^a","definition":{"max-length":5,"dead-letter-exchange":"x"},"priority":1,"apply-to":"queues"})",
        R"({"password":"p","tags":"baton-viewer,management"})",
        R"({"value":{"a":1}})",
        R"({"value":10})",
        R"({"queues":[{"name":"q","vhost":"/","durable":true,"arguments":{}}],"users":[],"vhosts":[{"name":"v"}]})",
    };
    constexpr std::string_view lines[] = {"\n", "/\n\n", "/\nq\n\n"};
    for (int route = 0; route < 128; ++route)
        for (std::size_t body = 0; body < std::size(bodies); ++body) {
            if (body % 5 != static_cast<std::size_t>(route) % 5) continue;
            for (const std::string_view path : lines)
                write(root / "api" / fmt::format("{}-{}-{}", route, body, path.size()),
                      static_cast<char>(route) + std::string(path) + std::string(bodies[body]));
        }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    write_methods(argv[1], std::make_index_sequence<std::variant_size_v<amqp::Method>>());
    write_contents(argv[1]);
    write_conversations(argv[1]);
    write_requests(argv[1]);
    return 0;
}
