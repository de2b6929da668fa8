// What a worker says about itself on baton.announce: one message a task type, whose routing key is the type, when it
// has connected and again every `every`; and a last one without a task when it stops in good order. Whoever may write
// to the exchange may say anything, so what is read is checked and bounded, and decides nothing. Pure.
#pragma once

#include "amqp/properties.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::contract {

// `type` of the messages.
inline constexpr std::string_view worker_type = "worker";
inline constexpr std::string_view worker_gone_type = "worker.gone";

// A schema of fifty parameters has some 4 KiB.
inline constexpr std::size_t announcement_bytes_max = 64 * 1024;
// How often Baton's own workers and those of the SDKs say that they are there.
inline constexpr Duration announcement_interval = std::chrono::seconds(30);
// Who does not say how often he announces himself: so long he is believed to be there.
inline constexpr Duration announcement_life_unsaid = std::chrono::minutes(5);

// Whether a task type is called so: letters, digits, '.', '_' and '-', so short that queues and exchanges can be named
// after it. Whatever else somebody asks for is no task, and no name to ask the broker about, which ends the connection
// of who says no UTF-8.
bool is_task_name(std::string_view name);

struct Announcement {
    std::string task;                 // "mail.create"
    std::string worker;               // the process: "mail@host:4711"
    std::string version = {};
    std::string host = {};
    std::string queue = {};           // "baton.task.mail.create.eu"
    std::uint32_t concurrency = 0;    // tasks at once, of all types; 0: not said
    Duration every{};                 // 0: not said
    std::string parameters = {};      // a JSON Schema (draft 7); empty: not said
    std::string result = {};
};

std::string to_json(const Announcement& about);
// The properties that belong to it; the broker drops it when nobody can believe it any more.
amqp::Properties properties_of(const Announcement& about);

// What another program wrote. The failure says what is wrong with it; texts are harmless for a terminal afterwards.
Outcome<Announcement> decode_announcement(std::string_view routing_key, std::string_view body);

// Of a worker that says goodbye.
std::string farewell(std::string_view worker);
Outcome<std::string> decode_farewell(std::string_view body);

// How long after its last word a worker is believed to be there: a lost message or two are no end.
Duration believed_for(Duration every);

} // namespace baton::contract
