// Reading lines, making events.
#include "story.hpp"

#include "amqp/properties.hpp"
#include "base/assert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace baton::broker::core {

// A line: words, name=value pairs, and at most one text in quotes.
struct Story::Words {
    std::string verb;
    std::vector<std::string> plain;
    std::vector<std::pair<std::string, std::string>> named;
    std::string body;

    explicit Words(std::string_view line) {
        while (!line.empty()) {
            if (line.front() == ' ') {
                line.remove_prefix(1);
            } else if (line.front() == '"') {
                const auto end = line.find('"', 1);
                body = line.substr(1, end - 1);
                line.remove_prefix(end + 1);
            } else {
                const auto end = std::min(line.find(' '), line.size());
                add(line.substr(0, end));
                line.remove_prefix(end);
            }
        }
    }

    void add(std::string_view word) {
        const auto sign = word.find('=');
        if (verb.empty())
            verb = word;
        else if (sign == std::string_view::npos)
            plain.emplace_back(word);
        else
            named.emplace_back(word.substr(0, sign), word.substr(sign + 1));
    }

    bool has(std::string_view flag) const {
        return std::find(plain.begin(), plain.end(), flag) != plain.end();
    }
    std::string text(std::string_view name, std::string otherwise = {}) const {
        for (const auto& [key, value] : named)
            if (key == name) return value;
        return otherwise;
    }
    bool names(std::string_view name) const {
        return std::any_of(named.begin(), named.end(),
                           [&](const auto& pair) { return pair.first == name; });
    }
    std::string at(std::size_t index) const {
        const std::string word = index < plain.size() ? plain[index] : std::string();
        return word == "_" ? std::string() : word;
    }
    std::uint64_t number(std::size_t index) const { return to_number(at(index)); }
    static std::uint64_t to_number(const std::string& text) {
        std::uint64_t value = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size())
            throw std::runtime_error("not a number in a story: '" + text + "'");
        return value;
    }
};

namespace {

// 5 is an integer, true a bool, @5 a byte, everything else a string.
amqp::FieldValue value_from(const std::string& text) {
    if (text == "true" || text == "false") return amqp::FieldValue(text == "true");
    if (text == "void") return amqp::FieldValue(amqp::Void{});
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) {
        if (number >= INT32_MIN && number <= INT32_MAX)
            return amqp::FieldValue(static_cast<std::int32_t>(number));
        return amqp::FieldValue(number);
    }
    if (text.starts_with('@'))
        return amqp::FieldValue(static_cast<std::int8_t>(std::stoi(text.substr(1))));
    return amqp::FieldValue(text);
}

amqp::FieldValue list_from(const std::string& text) {
    amqp::FieldArray array;
    std::size_t from = 0;
    while (from <= text.size()) {
        const auto to = std::min(text.find(',', from), text.size());
        array.items.emplace_back(text.substr(from, to - from));
        from = to + 1;
    }
    return amqp::FieldValue(std::move(array));
}

// A message as the disk gives it back. Two brokers never share one.
MessageRef copy_of(const Message& message) {
    MessageParts parts;
    parts.exchange = message.exchange();
    parts.routing_key = message.routing_key();
    parts.properties = message.properties();
    parts.body = message.body();
    parts.persistent = message.is_persistent();
    parts.priority = message.priority();
    parts.ttl_millis = message.ttl_millis();
    return Message::make(parts);
}

Record as_from_disk(const Record& record) {
    Record copy = record;
    if (auto* stored = std::get_if<MessageStored>(&copy)) stored->message = copy_of(*stored->message);
    return copy;
}

const std::set<std::string_view> own_words{"ch", "tag", "priority", "times", "key", "exchange"};

} // namespace

Story::Story(Options options) : options_(std::move(options)) {
    options_.seed = 7;
    options_.first_user_password_hash = "hash";
    options_.sealed_segments_max = 1;
    start();
    keep_records();
    broker_->durable_up_to(turn_.number);
    turn_.clear();
}

void Story::start() {
    broker_ = std::make_unique<Broker>(options_);
    for (const auto& [number, record] : records_) broker_->replay(as_from_disk(record), number);
    broker_->finish_recovery(last_record_, now_, turn_);
}

std::unique_ptr<Broker> Story::recovered() const {
    auto broker = std::make_unique<Broker>(options_);
    for (const auto& [number, record] : records_) broker->replay(as_from_disk(record), number);
    Turn turn;
    broker->finish_recovery(last_record_, now_, turn);
    return broker;
}

void Story::keep_records() {
    RecordNumber number = turn_.first_record;
    for (const Record& record : turn_.records) {
        printer_.print(record); // learns the names of queues
        records_.emplace(number, as_from_disk(record));
        last_record_ = number++;
    }
    if (turn_.forget_below) records_.erase(records_.begin(), records_.lower_bound(*turn_.forget_below));
}

void Story::keep_pages() {
    for (PageOut& page : turn_.pages_out) {
        std::vector<MessageRef>& kept = pages_[page.block];
        for (const MessageRef& message : page.messages) kept.push_back(copy_of(*message));
    }
    for (Load& load : turn_.loads) loads_.push_back(std::move(load));
    for (const BlockId block : turn_.pages_gone) pages_.erase(block);
}

void Story::bring_loads() {
    for (const Load& load : std::exchange(loads_, {})) {
        Loaded loaded{load.block, {}, {}};
        for (const RecordNumber number : load.records) {
            const auto found = records_.find(number);
            loaded.recorded.push_back(
                found == records_.end()
                    ? MessageRef()
                    : copy_of(*std::get<MessageStored>(found->second).message));
        }
        if (load.with_page && pages_.contains(load.block))
            for (const MessageRef& message : pages_[load.block])
                loaded.paged.push_back(copy_of(*message));
        apply(std::move(loaded));
    }
}

std::vector<std::string> Story::finish() {
    std::vector<std::string> lines;
    finish_turn(lines);
    while (!loads_.empty() && !holding_loads_) {
        bring_loads();
        finish_turn(lines);
    }
    if (std::exchange(shows_state_, false)) show_state();
    lines.insert(lines.end(), extra_lines_.begin(), extra_lines_.end());
    extra_lines_.clear();
    return lines;
}

void Story::finish_turn(std::vector<std::string>& lines) {
    broker_->finish(now_, turn_);
    keep_records();
    const std::vector<std::string> said = printer_.print(turn_);
    lines.insert(lines.end(), said.begin(), said.end());
    keep_pages();
    if (!holding_) broker_->durable_up_to(turn_.number);
    turn_.clear();
}

// --- Connections and channels --------------------------------------------------------------------

// Setting the stage is not part of the story: its answers are left out.
void Story::silently(Event event) {
    const auto said = static_cast<std::ptrdiff_t>(turn_.commands.size());
    const auto waiting = static_cast<std::ptrdiff_t>(turn_.commands_when_durable.size());
    apply(std::move(event));
    const auto is_answer = [](const Command& command) {
        if (std::holds_alternative<AcceptConnection>(command.action)) return true;
        const auto* reply = std::get_if<Reply>(&command.action);
        return reply != nullptr && std::holds_alternative<amqp::ChannelOpenOk>(*reply->method);
    };
    const auto leave_out = [&](std::vector<Command>& commands, std::ptrdiff_t from) {
        commands.erase(std::remove_if(commands.begin() + from, commands.end(), is_answer),
                       commands.end());
    };
    leave_out(turn_.commands, said);
    leave_out(turn_.commands_when_durable, waiting);
}

void Story::open_connection(ConnectionId connection, std::string user, std::string vhost) {
    connections_.insert(connection);
    ConnectionOpened opened;
    opened.connection = connection;
    opened.user = std::move(user);
    opened.vhost = std::move(vhost);
    opened.name = fmt::format("client {}", connection.value);
    opened.capabilities.consumer_cancel_notify = true;
    opened.capabilities.connection_blocked = connection.value % 2 == 1;
    apply(std::move(opened));
}

void Story::ensure_open(ConnectionId connection, ChannelNumber channel) {
    if (connections_.insert(connection).second) {
        ConnectionOpened opened;
        opened.connection = connection;
        opened.user = "guest";
        opened.vhost = "/";
        opened.name = fmt::format("client {}", connection.value);
        opened.capabilities.consumer_cancel_notify = true;
        opened.capabilities.connection_blocked = connection.value % 2 == 1;
        silently(std::move(opened));
    }
    if (channel != 0 && channels_.emplace(connection, channel).second)
        silently(MethodReceived{connection, channel, amqp::ChannelOpen{}});
}

std::pair<ConnectionId, ChannelNumber> Story::channel_of(const Words& words) {
    const std::string text = words.text("ch", "1");
    const auto dot = text.find('.');
    const ConnectionId connection{Words::to_number(text.substr(0, dot))};
    const auto channel = dot == std::string::npos
                             ? ChannelNumber{1}
                             : static_cast<ChannelNumber>(Words::to_number(text.substr(dot + 1)));
    return {connection, channel};
}

ConnectionId Story::connection_of(const Words& words) { return channel_of(words).first; }

void Story::apply(Event event) { broker_->apply(std::move(event), now_, turn_); }

void Story::send(const Words& words, amqp::Method method) {
    const auto [connection, channel] = channel_of(words);
    ensure_open(connection, channel);
    apply(MethodReceived{connection, channel, std::move(method)});
}

// --- Lines ---------------------------------------------------------------------------------------

void Story::tell(std::string_view line) {
    const Words words(line);
    if (tell_topology(words) || tell_basic(words) || tell_channel(words) || tell_house(words) ||
        tell_administration(words) || tell_policies(words))
        return;
    throw std::runtime_error(fmt::format("a story says '{}', which nobody understands", line));
}

bool Story::tell_topology(const Words& words) {
    amqp::FieldTable arguments;
    for (const auto& [name, value] : words.named)
        if (!own_words.contains(name)) arguments.set(name, value_from(value));
    const bool nowait = words.has("nowait");
    if (words.verb == "queue") {
        amqp::QueueDeclare declare{words.at(0),         words.has("passive"),
                                   words.has("durable"), words.has("exclusive"),
                                   words.has("auto-delete"), nowait, arguments};
        send(words, std::move(declare));
        for (const QueueView& view : broker_->overview().queues)
            printer_.name_queue(view.id, view.name);
    } else if (words.verb == "exchange") {
        send(words, amqp::ExchangeDeclare{words.at(0), words.at(1), words.has("passive"),
                                          words.has("durable"), words.has("auto-delete"),
                                          words.has("internal"), nowait, arguments});
    } else if (words.verb == "bind") {
        send(words, amqp::QueueBind{words.at(0), words.at(1), words.at(2), nowait, arguments});
    } else if (words.verb == "unbind") {
        send(words, amqp::QueueUnbind{words.at(0), words.at(1), words.at(2), arguments});
    } else if (words.verb == "bind-exchange") {
        send(words, amqp::ExchangeBind{words.at(0), words.at(1), words.at(2), nowait, arguments});
    } else if (words.verb == "unbind-exchange") {
        send(words,
             amqp::ExchangeUnbind{words.at(0), words.at(1), words.at(2), nowait, arguments});
    } else if (words.verb == "purge") {
        send(words, amqp::QueuePurge{words.at(0), nowait});
    } else if (words.verb == "delete-queue") {
        send(words, amqp::QueueDelete{words.at(0), words.has("if-unused"), words.has("if-empty"),
                                      nowait});
    } else if (words.verb == "delete-exchange") {
        send(words, amqp::ExchangeDelete{words.at(0), words.has("if-unused"), nowait});
    } else {
        return false;
    }
    return true;
}

void Story::publish(const Words& words) {
    static const std::set<std::string_view> own{
        "ch", "key", "exchange", "ttl", "priority", "reply-to", "user-id", "cc", "bcc", "times",
        "message-id", "correlation-id", "timestamp"};
    amqp::Properties properties;
    if (words.has("persistent")) properties.delivery_mode = amqp::persistent_delivery;
    if (words.names("ttl")) properties.expiration = words.text("ttl");
    if (words.names("priority"))
        properties.priority =
            static_cast<std::uint8_t>(Words::to_number(words.text("priority")));
    if (words.names("reply-to")) properties.reply_to = words.text("reply-to");
    if (words.names("user-id")) properties.user_id = words.text("user-id");
    if (words.names("message-id")) properties.message_id = words.text("message-id");
    if (words.names("correlation-id")) properties.correlation_id = words.text("correlation-id");
    if (words.names("timestamp")) properties.timestamp = Words::to_number(words.text("timestamp"));
    amqp::FieldTable headers;
    if (words.names("cc")) headers.set("CC", list_from(words.text("cc")));
    if (words.names("bcc")) headers.set("BCC", list_from(words.text("bcc")));
    for (const auto& [name, value] : words.named)
        if (!own.contains(name)) headers.set(name, value_from(value));
    if (!headers.empty()) properties.headers = headers;
    amqp::Buffer raw;
    if (!amqp::encode_properties(properties, raw)) throw std::runtime_error("bad properties");

    const auto [connection, channel] = channel_of(words);
    ensure_open(connection, channel);
    const std::string exchange = words.text("exchange");
    const std::string key = words.text("key");
    PublishReceived event;
    event.connection = connection;
    event.channel = channel;
    event.mandatory = words.has("mandatory");
    event.immediate = words.has("immediate");
    event.exchange = exchange;
    event.routing_key = key;
    event.properties = raw.view();
    event.body = as_bytes(words.body);
    const auto times = Words::to_number(words.text("times", "1"));
    for (std::uint64_t count = 0; count < times; ++count) broker_->publish(event, now_, turn_);
}

bool Story::tell_basic(const Words& words) {
    const bool multiple = words.has("multiple");
    const bool drop = words.has("drop");
    if (words.verb == "publish") {
        publish(words);
    } else if (words.verb == "consume") {
        amqp::BasicConsume consume{words.at(0),
                                   words.text("tag", "c" + words.text("ch", "1")),
                                   false,
                                   words.has("no-ack"),
                                   words.has("exclusive"),
                                   words.has("nowait"),
                                   {}};
        if (words.names("priority"))
            consume.arguments.set("x-priority", value_from(words.text("priority")));
        if (words.names("since"))
            consume.arguments.set("x-stream-offset",
                                  amqp::Timestamp{Words::to_number(words.text("since"))});
        else if (words.names("offset"))
            consume.arguments.set("x-stream-offset", value_from(words.text("offset")));
        send(words, std::move(consume));
    } else if (words.verb == "cancel") {
        send(words, amqp::BasicCancel{words.at(0), words.has("nowait")});
    } else if (words.verb == "get") {
        send(words, amqp::BasicGet{words.at(0), words.has("no-ack")});
    } else if (words.verb == "ack") {
        send(words, amqp::BasicAck{words.number(0), multiple});
    } else if (words.verb == "nack") {
        send(words, amqp::BasicNack{words.number(0), multiple, !drop});
    } else if (words.verb == "reject") {
        send(words, amqp::BasicReject{words.number(0), !drop});
    } else if (words.verb == "recover") {
        send(words, amqp::BasicRecover{!drop});
    } else if (words.verb == "qos") {
        const auto size = static_cast<std::uint32_t>(Words::to_number(words.text("size", "0")));
        send(words, amqp::BasicQos{size, static_cast<std::uint16_t>(words.number(0)),
                                   words.has("global")});
    } else {
        return false;
    }
    return true;
}

bool Story::tell_channel(const Words& words) {
    const auto [connection, channel] = channel_of(words);
    if (words.verb == "confirm") {
        send(words, amqp::ConfirmSelect{words.has("nowait")});
    } else if (words.verb == "tx-select") {
        send(words, amqp::TxSelect{});
    } else if (words.verb == "tx-commit") {
        send(words, amqp::TxCommit{});
    } else if (words.verb == "tx-rollback") {
        send(words, amqp::TxRollback{});
    } else if (words.verb == "flow") {
        send(words, amqp::ChannelFlow{!words.has("off")});
    } else if (words.verb == "open") {
        ensure_open(connection, 0);
        channels_.emplace(connection, channel);
        apply(MethodReceived{connection, channel, amqp::ChannelOpen{}});
    } else if (words.verb == "close") {
        send(words, amqp::ChannelClose{200, "bye", 0, 0});
        channels_.erase({connection, channel});
    } else if (words.verb == "close-ok") {
        apply(MethodReceived{connection, channel, amqp::ChannelCloseOk{}});
        channels_.erase({connection, channel});
    } else if (words.verb == "unopened") {
        ensure_open(connection, 0);
        apply(MethodReceived{connection, channel, amqp::BasicQos{}});
    } else if (words.verb == "connect") {
        open_connection(connection, words.text("user", "guest"), words.text("vhost", "/"));
    } else if (words.verb == "disconnect") {
        ensure_open(connection, 0);
        apply(MethodReceived{connection, 0, amqp::ConnectionClose{200, "bye", 0, 0}});
    } else if (words.verb == "lost") {
        apply(ConnectionLost{connection});
        connections_.erase(connection);
        std::erase_if(channels_, [&](const auto& one) { return one.first == connection; });
    } else {
        return false;
    }
    return true;
}

bool Story::tell_house(const Words& words) {
    if (words.verb == "wait") {
        now_ += std::chrono::milliseconds(
            static_cast<std::int64_t>(std::stod(words.at(0)) * 1000));
        apply(Ticked{});
    } else if (words.verb == "written") {
        apply(Written{connection_of(words), words.number(0)});
    } else if (words.verb == "alarm") {
        const Alarm alarm = words.at(0) == "memory" ? Alarm::memory
                            : words.at(0) == "disk" ? Alarm::disk
                                                    : Alarm::journal;
        apply(AlarmChanged{alarm, words.at(1) == "on"});
    } else if (words.verb == "hold") {
        holding_ = true;
    } else if (words.verb == "flush") {
        holding_ = false;
    } else if (words.verb == "stop") {
        apply(Stopping{});
    } else if (words.verb == "restart") {
        connections_.clear();
        channels_.clear();
        loads_.clear();
        pages_.clear();
        start();
        keep_pages();
        turn_.clear();
    } else if (words.verb == "seal") {
        apply(SegmentSealed{sealed_up_to_ + 1, last_record_, 1'000'000});
        sealed_up_to_ = last_record_;
    } else if (words.verb == "state") {
        shows_state_ = true;
    } else {
        return false;
    }
    return true;
}

void Story::ask(AdministrationRequest wish) {
    apply(AdministrationAsked{RequestId{1}, std::move(wish)});
}

bool Story::tell_administration(const Words& words) {
    if (words.verb == "put-user") {
        UserPut put{words.at(0), "hash", "sha", {}};
        if (words.names("tag")) put.tags.push_back(words.text("tag"));
        ask(PutUser{put});
    } else if (words.verb == "remove-user") {
        ask(RemoveUser{words.at(0)});
    } else if (words.verb == "put-vhost") {
        ask(PutVhost{{words.at(0), "", {}}});
    } else if (words.verb == "remove-vhost") {
        ask(RemoveVhost{words.at(0)});
    } else if (words.verb == "permit") {
        ask(PutPermission{{words.text("vhost", "/"), words.at(0), words.at(1), words.at(2),
                           words.at(3)}});
    } else if (words.verb == "permit-topic") {
        ask(PutTopicPermission{{"/", words.at(0), words.at(1), words.at(2), words.at(3)}});
    } else if (words.verb == "close-client") {
        ask(CloseClient{ConnectionId{words.number(0)}, words.body});
    } else if (words.verb == "close-clients") {
        CloseClients wish{{}, {}, words.body};
        if (words.names("user")) wish.user = words.text("user");
        if (words.names("vhost")) wish.vhost = words.text("vhost");
        ask(std::move(wish));
    } else if (words.verb == "parameter") {
        ask(PutParameter{{words.text("vhost", "/"), words.at(0), words.at(1), words.body}});
    } else if (words.verb == "admin") {
        tell_topology_request(words);
    } else {
        return false;
    }
    return true;
}

void Story::tell_topology_request(const Words& words) {
    static const std::set<std::string_view> own{"vhost"};
    amqp::FieldTable arguments;
    for (const auto& [name, value] : words.named)
        if (!own.contains(name)) arguments.set(name, value_from(value));
    const std::string what = words.at(0);
    const std::string vhost = words.text("vhost", "/");
    const bool durable = !words.has("transient");
    const auto kind = what.ends_with("-exchange") ? DestinationKind::exchange
                                                  : DestinationKind::queue;
    if (what == "queue")
        ask(DeclareQueue{vhost, words.at(1), words.has("auto-delete"), durable, arguments});
    else if (what == "exchange")
        ask(DeclareExchange{{vhost, words.at(1), words.at(2), words.has("auto-delete"),
                             words.has("internal"), arguments},
                            durable});
    else if (what == "bind" || what == "bind-exchange")
        ask(Bind{{vhost, words.at(2), kind, words.at(1), words.at(3), arguments}});
    else if (what == "unbind" || what == "unbind-exchange")
        ask(Unbind{{vhost, words.at(2), kind, words.at(1), words.at(3), arguments}});
    else if (what == "purge")
        ask(PurgeQueue{vhost, words.at(1)});
    else if (what == "delete-queue")
        ask(DeleteQueue{vhost, words.at(1), words.has("if-unused"), words.has("if-empty")});
    else if (what == "delete-exchange")
        ask(DeleteExchange{vhost, words.at(1), words.has("if-unused")});
    else
        throw std::runtime_error("an administrator says '" + what + "', which nobody understands");
}

bool Story::tell_policies(const Words& words) {
    const auto limit = [&](std::string_view name) -> std::optional<std::int64_t> {
        if (!words.names(name)) return std::nullopt;
        return std::stoll(words.text(name));
    };
    if (words.verb == "put-policy") {
        static const std::set<std::string_view> own{"vhost", "apply-to", "priority"};
        PolicyPut put{words.text("vhost", "/"), words.at(0), words.at(1),
                      words.text("apply-to", "all"), std::stoi(words.text("priority", "0")),
                      {}, words.has("operator")};
        for (const auto& [name, value] : words.named)
            if (!own.contains(name)) put.definition.set(name, value_from(value));
        ask(PutPolicy{std::move(put)});
    } else if (words.verb == "remove-policy") {
        ask(RemovePolicy{{words.text("vhost", "/"), words.at(0), words.has("operator")}});
    } else if (words.verb == "limit-vhost") {
        ask(PutVhostLimits{{words.at(0), limit("connections"), limit("queues")}});
    } else if (words.verb == "limit-user") {
        ask(PutUserLimits{{words.at(0), limit("connections"), limit("channels")}});
    } else {
        return false;
    }
    return true;
}

namespace {

std::string shown(const AppliedPolicyView& policy) {
    std::string text;
    if (!policy.name.empty()) text += " policy=" + policy.name;
    if (!policy.operator_name.empty()) text += " operator-policy=" + policy.operator_name;
    return policy.definition.empty() ? text : text + " " + amqp::to_text(policy.definition);
}

} // namespace

void Story::show_state() {
    const Overview overview = broker_->overview();
    for (const QueueView& queue : overview.queues) {
        std::string line = fmt::format("has {} ready={} unacked={} consumers={}", queue.name,
                                       queue.ready, queue.unacked, queue.consumers);
        if (!queue.active_consumer_tag.empty()) line += " active=" + queue.active_consumer_tag;
        if (queue.held != 0) line += fmt::format(" held={}", queue.held);
        extra_lines_.push_back(line + shown(queue.policy));
    }
    for (const ExchangeView& exchange : overview.exchanges)
        if (!exchange.policy.definition.empty())
            extra_lines_.push_back(fmt::format("has exchange {}{}", exchange.name,
                                               shown(exchange.policy)));
    for (const BindingView& binding : overview.bindings)
        if (!binding.source.empty())
            extra_lines_.push_back(fmt::format("has {} -> {} \"{}\"", binding.source,
                                               binding.destination, binding.routing_key));
}

std::string Story::durable_state(const Broker& broker) const {
    Printer printer;
    std::string text;
    const auto content = [this](RecordNumber number) {
        return std::get<MessageStored>(records_.at(number)).message;
    };
    for (const Record& record : broker.snapshot(content)) text += printer.print(record) + "\n";
    return text;
}

} // namespace baton::broker::core
