// Short, stable texts for records and commands.
#include "print.hpp"

#include "amqp/method_codec.hpp"
#include "amqp/properties.hpp"
#include "base/overloaded.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace baton::broker::core {

namespace {

std::string printed(const Message& message) {
    std::string text = fmt::format("\"{}\"", as_text(message.body()));
    const auto properties = amqp::decode_properties(message.properties());
    if (!properties) return text + " with broken properties";
    if (*properties != amqp::Properties{}) text += " " + amqp::to_text(*properties);
    return text;
}

std::string from(const Message& message) {
    if (message.exchange().empty()) return fmt::format("key={}", message.routing_key());
    return fmt::format("exchange={} key={}", message.exchange(), message.routing_key());
}

std::string channel(const Command& command) {
    if (command.channel == 0) return fmt::format("connection={}", command.connection.value);
    if (command.channel == 1) return fmt::format("ch={}", command.connection.value);
    return fmt::format("ch={}.{}", command.connection.value, command.channel);
}

std::string reason_text(const CloseReason& reason) {
    std::string text =
        fmt::format("{} \"{}\"", static_cast<int>(reason.code), reason.text);
    if (reason.failed_method != amqp::MethodId{})
        text += " by " + amqp::name_of(reason.failed_method);
    return text;
}

// Some answers are several lines for a person.
std::string one_line(std::string_view text) {
    std::string line;
    for (const char character : text)
        if (character == '\n')
            line += "\\n";
        else
            line += character;
    return line;
}

std::string arguments(const amqp::FieldTable& table) {
    return table.empty() ? std::string() : " " + amqp::to_text(table);
}

} // namespace

std::string Printer::queue(QueueId id) const {
    const auto found = queues_.find(id);
    return found == queues_.end() ? fmt::format("queue#{}", id.value) : found->second;
}

std::string Printer::place(const Place& place) const {
    std::string text = fmt::format("{}@{}", queue(place.queue), place.position);
    if (place.expires_at != Time::max())
        text += fmt::format(" until={}ms", millis_of(place.expires_at));
    if (place.delivery_count != 0) text += fmt::format(" returned={}", place.delivery_count);
    return text;
}

std::string Printer::print(const Record& record) {
    return std::visit(
        Overloaded{
            [&](const MessageStored& stored) {
                std::string text = "store " + place(stored.first);
                for (const Place& other : stored.others) text += ", " + place(other);
                return text + " " + printed(*stored.message);
            },
            [&](const MessagesRemoved& removed) {
                std::string text = "remove " + queue(removed.queue) + "@";
                std::string separator;
                for (const PositionRange& range : removed.ranges) {
                    text += separator + (range.first == range.last
                                             ? fmt::format("{}", range.first)
                                             : fmt::format("{}-{}", range.first, range.last));
                    separator = ",";
                }
                return text;
            },
            [&](const MessageReturned& returned) {
                return fmt::format("return {}@{} count={}", queue(returned.queue),
                                   returned.position, returned.delivery_count);
            },
            [](const TransactionBegan& began) {
                return fmt::format("transaction of {} records", began.records);
            },
            [](const Stopped&) { return std::string("stopped"); },
            [](const VhostPut& put) { return fmt::format("vhost {}", put.name); },
            [](const VhostRemoved& removed) {
                return fmt::format("vhost removed {}", removed.name);
            },
            [](const UserPut& put) {
                return fmt::format("user {} [{}]", put.name, fmt::join(put.tags, " "));
            },
            [](const UserRemoved& removed) { return fmt::format("user removed {}", removed.name); },
            [](const PermissionPut& put) {
                return fmt::format("permission {} in {}: \"{}\" \"{}\" \"{}\"", put.user, put.vhost,
                                   put.configure, put.write, put.read);
            },
            [](const PermissionRemoved& removed) {
                return fmt::format("permission removed {} in {}", removed.user, removed.vhost);
            },
            [](const TopicPermissionPut& put) {
                return fmt::format("topic permission {} in {} on {}: \"{}\" \"{}\"", put.user,
                                   put.vhost, put.exchange, put.write, put.read);
            },
            [](const TopicPermissionRemoved& removed) {
                return fmt::format("topic permission removed {} in {} on {}", removed.user,
                                   removed.vhost, removed.exchange);
            },
            [](const ExchangeDeclared& declared) {
                return fmt::format("exchange {} {}{}{}{}", declared.name, declared.type,
                                   declared.auto_delete ? " auto-delete" : "",
                                   declared.internal ? " internal" : "",
                                   arguments(declared.arguments));
            },
            [](const ExchangeDeleted& deleted) {
                return fmt::format("exchange deleted {}", deleted.name);
            },
            [&](const QueueDeclared& declared) {
                name_queue(declared.id, declared.name);
                return fmt::format("queue {}{}{}", declared.name,
                                   declared.auto_delete ? " auto-delete" : "",
                                   arguments(declared.arguments));
            },
            [&](const QueueDeleted& deleted) { return "queue deleted " + queue(deleted.id); },
            [](const Bound& bound) {
                return fmt::format("bound {} -> {} \"{}\"{}", bound.source, bound.destination,
                                   bound.routing_key, arguments(bound.arguments));
            },
            [](const Unbound& unbound) {
                return fmt::format("unbound {} -> {} \"{}\"{}", unbound.source,
                                   unbound.destination, unbound.routing_key,
                                   arguments(unbound.arguments));
            },
            [](const ParameterPut& put) {
                return fmt::format("parameter {} {} = {}", put.component, put.name, put.value);
            },
            [](const PolicyPut& put) {
                return fmt::format("{} {} in {} on {} \"{}\" priority={} {}",
                                   put.is_operator ? "operator policy" : "policy", put.name,
                                   put.vhost, put.apply_to, put.pattern, put.priority,
                                   amqp::to_text(put.definition));
            },
            [](const PolicyRemoved& removed) {
                return fmt::format("{} removed {} in {}",
                                   removed.is_operator ? "operator policy" : "policy",
                                   removed.name, removed.vhost);
            },
            [](const VhostLimitsPut& put) {
                return fmt::format("limits of vhost {} connections={} queues={}", put.vhost,
                                   put.connections_max.value_or(-1), put.queues_max.value_or(-1));
            },
            [](const UserLimitsPut& put) {
                return fmt::format("limits of user {} connections={} channels={}", put.user,
                                   put.connections_max.value_or(-1),
                                   put.channels_max.value_or(-1));
            }},
        record);
}

std::string Printer::print(const Command& command) {
    const std::string where = channel(command);
    return std::visit(
        Overloaded{
            [&](const Deliver& deliver) {
                const auto consumer = consumers_.find({command.connection, deliver.consumer});
                return fmt::format(
                    "deliver {} {} tag={}{} {} {}", where,
                    consumer == consumers_.end() ? "UNNAMED" : consumer->second,
                    deliver.delivery_tag, deliver.redelivered ? " redelivered" : "",
                    from(*deliver.message), printed(*deliver.message));
            },
            [&](const DeliverGotten& gotten) {
                return fmt::format("get-ok {} tag={}{} left={} {} {}", where, gotten.delivery_tag,
                                   gotten.redelivered ? " redelivered" : "", gotten.messages_left,
                                   from(*gotten.message), printed(*gotten.message));
            },
            [&](const ReturnMessage& back) {
                return fmt::format("return {} {} {} {} {}", where, static_cast<int>(back.code),
                                   back.text, from(*back.message), printed(*back.message));
            },
            [&](const Confirm& confirm) {
                return fmt::format("{} {} tag={}{}", confirm.refused ? "refuse" : "confirm", where,
                                   confirm.delivery_tag, confirm.multiple ? " multiple" : "");
            },
            [&](const Reply& reply) {
                return fmt::format("say {} {}", where, amqp::to_text(*reply.method));
            },
            [&](const ConsumerNamed& named) {
                consumers_[{command.connection, named.number}] = *named.tag;
                return std::string();
            },
            [](const ConsumerForgotten&) { return std::string(); },
            [&](const CloseChannel& close) {
                return fmt::format("close {} {}", where, reason_text(*close.reason));
            },
            [&](const CloseConnection& close) {
                return fmt::format("close {} {}", where, reason_text(*close.reason));
            },
            [&](const EndConnection&) { return fmt::format("end {}", where); },
            [&](const AcceptConnection&) { return fmt::format("accept {}", where); },
            [&](const TellUser& told) {
                return fmt::format("user {} {}", where, told.user ? told.user->name : "unknown");
            },
            [&](const PauseReading&) { return fmt::format("pause {}", where); },
            [&](const ResumeReading&) { return fmt::format("resume {}", where); },
            [&](const HoldPublishes& hold) {
                return fmt::format("hold publishes {} {}", where,
                                   hold.reason == nullptr ? "silently"
                                                          : fmt::format("\"{}\"", hold.reason));
            },
            [&](const TakePublishes&) { return fmt::format("take publishes {}", where); },
            [&](const Tell&) { return fmt::format("tell {}", where); },
            [&](const DropConnection&) { return fmt::format("drop {}", where); }},
        command.action);
}

std::vector<std::string> Printer::print(const Turn& turn) {
    std::vector<std::string> lines;
    const auto add = [&](std::string prefix, std::string line) {
        if (!line.empty()) lines.push_back(prefix + line);
    };
    for (const Record& record : turn.records) add("", print(record));
    for (const Command& command : turn.commands) add("", print(command));
    for (const Command& command : turn.commands_when_durable)
        add("durable => ", print(command));
    for (const Answer& answer : turn.answers)
        add("", fmt::format("answer {} {}", static_cast<int>(answer.code), one_line(answer.text)));
    if (turn.forget_below) add("", fmt::format("forget below {}", *turn.forget_below));
    return lines;
}

} // namespace baton::broker::core
