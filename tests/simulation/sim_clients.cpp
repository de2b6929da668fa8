#include "tests/simulation/sim_clients.hpp"

#include "amqp/field_table.hpp"
#include "amqp/properties.hpp"
#include "base/overloaded.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton::test {

namespace core = broker::core;

namespace {

constexpr core::ChannelNumber confirming = 1;
constexpr core::ChannelNumber transacting = 2;
constexpr core::ChannelNumber consuming = 3;

struct QueueKind {
    const char* name;
    bool keeps_dead;
    bool is_bound; // to amq.fanout
    bool takes_transactions;
};

// Their index is Promises::QueueIndex.
constexpr std::array<QueueKind, 8> kinds{{{"dead", false, false, true},
                                          {"plain", false, false, true},
                                          {"shared", false, true, true},
                                          {"ttl", true, true, true},
                                          {"short", true, false, true},
                                          {"quorum", true, true, true},
                                          {"refusing", false, false, false},
                                          {"log", false, true, true}}};
constexpr std::size_t log_index = kinds.size() - 1;

amqp::FieldTable arguments_of(std::size_t queue) {
    const std::string_view name = kinds[queue].name;
    amqp::FieldTable arguments;
    if (kinds[queue].keeps_dead) {
        arguments.set("x-dead-letter-exchange", amqp::FieldValue(std::string()));
        arguments.set("x-dead-letter-routing-key", amqp::FieldValue(std::string("dead")));
    }
    if (name == "ttl") arguments.set("x-message-ttl", amqp::FieldValue(std::int32_t{300}));
    if (name == "short" || name == "refusing")
        arguments.set("x-max-length", amqp::FieldValue(std::int32_t{6}));
    if (name == "refusing")
        arguments.set("x-overflow", amqp::FieldValue(std::string("reject-publish")));
    if (name == "log") arguments.set("x-queue-type", amqp::FieldValue(std::string("stream")));
    if (name == "quorum") {
        arguments.set("x-queue-type", amqp::FieldValue(std::string("quorum")));
        arguments.set("x-delivery-limit", amqp::FieldValue(std::int32_t{2}));
    }
    return arguments;
}

std::optional<std::size_t> index_of(std::string_view name) {
    for (std::size_t index = 0; index < kinds.size(); ++index)
        if (kinds[index].name == name) return index;
    return std::nullopt;
}

std::uint64_t number_in(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// The body begins with the message's number; the rest follows from it.
std::string body_of(std::uint64_t id) {
    std::string body = fmt::format("{}:", id);
    const std::size_t size = id % 23 == 0 ? 5000 : id * 37 % 700;
    while (body.size() < size) body.push_back(static_cast<char>('a' + body.size() % 26));
    return body;
}

} // namespace

std::vector<bool> SimClients::queues_that_keep_dead_letters() {
    std::vector<bool> keep;
    for (const QueueKind& kind : kinds) keep.push_back(kind.keeps_dead);
    return keep;
}

Promises::QueueIndex SimClients::log() { return log_index; }

// --- Acting --------------------------------------------------------------------------------------

void SimClients::begin(core::Broker& broker, Time now, core::Turn& turn) {
    broker_ = &broker;
    now_ = now;
    turn_ = &turn;
    for (Client& client : clients_)
        if (client.is_connected && client.unwritten != 0)
            broker.written({client.id, std::exchange(client.unwritten, 0)});
}

void SimClients::send(const Client& client, core::ChannelNumber number, amqp::Method method) {
    broker_->apply(core::MethodReceived{client.id, number, std::move(method)}, now_, *turn_);
}

void SimClients::connect(Client& client) {
    client = {};
    client.id = core::ConnectionId{++last_connection_};
    client.is_connected = true;
    core::ConnectionOpened opened;
    opened.connection = client.id;
    opened.user = "guest";
    opened.vhost = "/";
    opened.capabilities.basic_nack = true;
    broker_->apply(std::move(opened), now_, *turn_);
    for (const core::ChannelNumber number : {confirming, transacting, consuming}) {
        client.channels.emplace(number, Channel{});
        send(client, number, amqp::ChannelOpen{});
    }
    send(client, confirming, amqp::ConfirmSelect{true});
    send(client, transacting, amqp::TxSelect{});
    send(client, consuming, amqp::BasicQos{0, static_cast<std::uint16_t>(random_.below(5)), false});
}

void SimClients::lose(Client& client) {
    for (auto& [number, channel] : client.channels)
        for (const auto& [tag, held] : channel.held) promises_.returned(held.key);
    promises_.lost_connection();
    broker_->apply(core::ConnectionLost{client.id}, now_, *turn_);
    client = {};
}

void SimClients::act() {
    // The third client never publishes, so that it goes on while publishers must wait.
    const std::size_t who = random_.below(3);
    Client& client = clients_[who];
    if (!client.is_connected) return connect(client);
    if (client.is_paused) return;
    const bool publishes = who != 2 && !client.holds_publishes;
    switch (random_.below(32)) {
    case 0: return random_.below(4) == 0 ? lose(client) : settle(client, consuming);
    case 1: return ask(client, consuming, Wish::purge);
    case 2: return ask(client, consuming, Wish::remove);
    case 3:
    case 4: return ask(client, consuming, Wish::declare);
    case 5:
    case 6: return ask(client, consuming, Wish::consume);
    case 7: return ask(client, consuming, Wish::get_without_ack);
    case 8:
    case 9:
    case 10: return ask(client, consuming, Wish::get);
    case 11:
    case 12:
    case 13:
    case 14: return settle(client, consuming);
    case 15: return ask(client, transacting, Wish::get);
    case 16:
    case 17: return settle_in_transaction(client);
    case 18: return publishes ? commit(client) : settle(client, consuming);
    case 19: return random_.below(3) == 0 ? rollback(client) : settle_in_transaction(client);
    case 20:
    case 21:
    case 22: return publishes ? draft(client) : settle(client, consuming);
    case 23:
    case 24: return publishes ? publish_to_all(client) : settle(client, consuming);
    default: return publishes ? publish(client) : settle(client, consuming);
    }
}

void SimClients::send_message(const Client& client, core::ChannelNumber number,
                              std::string_view exchange, std::string_view key,
                              Promises::MessageId id, bool is_persistent) {
    amqp::Properties properties;
    if (is_persistent) properties.delivery_mode = amqp::persistent_delivery;
    amqp::Buffer raw;
    (void)amqp::encode_properties(properties, raw);
    const std::string body = body_of(id);
    core::PublishReceived event;
    event.connection = client.id;
    event.channel = number;
    event.exchange = exchange;
    event.routing_key = key;
    event.properties = raw.view();
    event.body = as_bytes(body);
    broker_->publish(event, now_, *turn_);
}

void SimClients::publish(Client& client) {
    const QueueIndex queue = random_.below(kinds.size());
    const bool is_persistent = random_.below(6) != 0;
    Channel& channel = client.channels.at(confirming);
    Publish publish{{}, promises_.next_order()};
    const Promises::MessageId id = ++last_message_;
    if (queues_[queue].exists) {
        publish.keys.emplace_back(id, queue);
        promises_.published({id, queue}, is_persistent, publish.order);
    }
    channel.unconfirmed.emplace(channel.next_publish++, std::move(publish));
    send_message(client, confirming, "", kinds[queue].name, id, is_persistent);
}

void SimClients::publish_to_all(Client& client) {
    const bool is_persistent = random_.below(6) != 0;
    Channel& channel = client.channels.at(confirming);
    Publish publish{{}, promises_.next_order()};
    const Promises::MessageId id = ++last_message_;
    for (QueueIndex queue = 0; queue < queues_.size(); ++queue)
        if (queues_[queue].is_bound) {
            publish.keys.emplace_back(id, queue);
            promises_.published({id, queue}, is_persistent, publish.order);
        }
    channel.unconfirmed.emplace(channel.next_publish++, std::move(publish));
    send_message(client, confirming, "amq.fanout", "", id, is_persistent);
}

// --- Transactions --------------------------------------------------------------------------------

void SimClients::draft(Client& client) {
    Channel& channel = client.channels.at(transacting);
    const QueueIndex queue = random_.below(kinds.size());
    if (channel.wish != Wish::none || !kinds[queue].takes_transactions) return;
    const Draft draft{++last_message_, queue, random_.below(6) != 0};
    channel.drafts.push_back(draft);
    send_message(client, transacting, "", kinds[queue].name, draft.id, draft.is_persistent);
}

void SimClients::settle_in_transaction(Client& client) {
    Channel& channel = client.channels.at(transacting);
    if (channel.wish != Wish::none) return;
    for (auto& [tag, held] : channel.held) {
        if (held.in_transaction || random_.below(2) == 0) continue;
        held.in_transaction = true;
        broker_->ack({client.id, transacting, tag, false}, now_, *turn_);
    }
}

void SimClients::commit(Client& client) {
    Channel& channel = client.channels.at(transacting);
    if (channel.wish != Wish::none) return;
    channel.wish = Wish::commit;
    channel.number = ++last_transaction_;
    channel.order = promises_.next_order();
    for (const Draft& draft : channel.drafts)
        if (queues_[draft.queue].exists)
            promises_.published({draft.id, draft.queue}, draft.is_persistent,
                                promises_.next_order(), channel.number);
    channel.drafts.clear();
    std::erase_if(channel.held, [&](const auto& one) {
        if (!one.second.in_transaction) return false;
        promises_.acknowledged(one.second.key, channel.order, channel.number);
        return true;
    });
    send(client, transacting, amqp::TxCommit{});
}

void SimClients::rollback(Client& client) {
    Channel& channel = client.channels.at(transacting);
    if (channel.wish != Wish::none) return;
    channel.drafts.clear();
    for (auto& [tag, held] : channel.held) held.in_transaction = false;
    send(client, transacting, amqp::TxRollback{});
}

// --- Settling ------------------------------------------------------------------------------------

void SimClients::settle(Client& client, core::ChannelNumber number) {
    Channel& channel = client.channels.at(number);
    if (channel.held.empty()) return;
    auto at = channel.held.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(channel.held.size())));
    const std::uint64_t tag = at->first;
    const bool multiple = random_.below(4) == 0;
    const auto first = multiple ? channel.held.begin() : at;
    const auto last = std::next(at);
    // What is sent behind a get is taken with its answer.
    const bool is_behind_get = channel.wish == Wish::get || channel.wish == Wish::get_without_ack;
    const Order order = is_behind_get ? Promises::not_taken : promises_.next_order();
    // When it will be back in its queue is not said.
    const std::uint64_t how = is_behind_get ? 2 * random_.below(4) : random_.below(8);
    for (auto one = first; one != last; ++one) {
        const Held& held = one->second;
        if (how == 0)
            promises_.dropped(held.key, held.from, order);
        else if (how == 1)
            promises_.returned(held.key);
        else
            promises_.acknowledged(held.key, order);
        if (is_behind_get) channel.behind_get.push_back(held.key);
    }
    channel.held.erase(first, last);
    if (how < 2)
        broker_->nack({client.id, number, tag, multiple, how == 1, false}, now_, *turn_);
    else
        broker_->ack({client.id, number, tag, multiple}, now_, *turn_);
}

// --- Asking --------------------------------------------------------------------------------------

void SimClients::ask(Client& client, core::ChannelNumber number, Wish wish) {
    Channel& channel = client.channels.at(number);
    const QueueIndex queue = random_.below(kinds.size());
    if (channel.wish != Wish::none) return;
    if (wish == Wish::declare) return declare(client, queue);
    if (!queues_[queue].exists) return;
    // The dead letters of all queues stay, or nobody would know what became of them.
    const bool clears = wish == Wish::purge || wish == Wish::remove;
    if (clears && (queue == Promises::dead_letters || random_.below(4) != 0)) return;
    if (wish == Wish::consume) return consume(client, queue);
    if (queue == log_index && wish != Wish::remove) return; // it is only consumed
    channel.wish = wish;
    channel.queue = queue;
    const std::string name = kinds[queue].name;
    if (wish == Wish::get) {
        send(client, number, amqp::BasicGet{name, false});
    } else if (wish == Wish::get_without_ack) {
        promises_.asked_without_ack();
        send(client, number, amqp::BasicGet{name, true});
    } else if (wish == Wish::purge) {
        channel.number = promises_.clear(queue, false);
        send(client, number, amqp::QueuePurge{name, false});
    } else {
        channel.number = promises_.clear(queue, true);
        queues_[queue] = QueueState{.life = queues_[queue].life + 1};
        channel.life = queues_[queue].life;
        std::erase_if(channel.consumers, [&](const auto& one) { return one.second == queue; });
        send(client, number, amqp::QueueDelete{name, false, false, false});
    }
}

void SimClients::declare(Client& client, QueueIndex queue) {
    Channel& channel = client.channels.at(consuming);
    QueueState& state = queues_[queue];
    channel.wish = Wish::declare;
    channel.queue = queue;
    state.must_not_exist = false;
    // Who finds it there already is not told that it is durable by now.
    const bool is_new = !std::exchange(state.exists, true);
    channel.life = is_new ? ++state.life : 0;
    send(client, consuming, amqp::QueueDeclare{kinds[queue].name, false, true, false, false, false,
                                               arguments_of(queue)});
    if (!kinds[queue].is_bound) return;
    state.is_bound = true;
    send(client, consuming, amqp::QueueBind{kinds[queue].name, "amq.fanout", "", true, {}});
}

void SimClients::consume(Client& client, QueueIndex queue) {
    Channel& channel = client.channels.at(consuming);
    // The log is read by the last client, which sets a prefetch as it must be.
    if (queue == log_index && &client != &clients_.back()) return;
    channel.wish = Wish::consume;
    channel.queue = queue;
    amqp::FieldTable arguments;
    if (queue == log_index)
        arguments.set("x-stream-offset", amqp::FieldValue(std::string("first")));
    send(client, consuming,
         amqp::BasicConsume{kinds[queue].name, fmt::format("{}-{}", queue, ++last_consumer_), false,
                            false, false, false, std::move(arguments)});
}

void SimClients::declare_all() {
    Client& client = clients_[0];
    if (!client.is_connected) connect(client);
    Channel& channel = client.channels.at(consuming);
    for (QueueIndex queue = 0; queue < kinds.size(); ++queue) {
        if (queues_[queue].exists) continue;
        declare(client, queue);
        channel.wish = Wish::none;
        ++channel.unasked;
    }
}

void SimClients::drain() {
    Client& client = clients_[3];
    connect(client);
    send(client, consuming, amqp::BasicQos{0, 7, false});
    for (QueueIndex queue = 0; queue < kinds.size(); ++queue) {
        if (!queues_[queue].exists) continue;
        consume(client, queue);
    }
}

void SimClients::acknowledge_all() {
    Client& client = clients_[3];
    for (const auto& [tag, held] : client.channels.at(consuming).held) {
        if (held.from != log_index) promises_.acknowledged(held.key, promises_.next_order());
        broker_->ack({client.id, consuming, tag, false}, now_, *turn_);
    }
    client.channels.at(consuming).held.clear();
}

// --- Hearing -------------------------------------------------------------------------------------

SimClients::Client* SimClients::find(core::ConnectionId id) {
    for (Client& client : clients_)
        if (client.is_connected && client.id == id) return &client;
    return nullptr;
}

SimClients::Key SimClients::key_of(const core::Message& message, QueueIndex from) {
    Key key{number_in(as_text(message.body())), from};
    if (from != Promises::dead_letters) return key;
    const auto properties = amqp::PropertiesView::parse(message.properties());
    if (!properties) return key;
    const auto headers = properties->headers();
    if (!headers) return key;
    const auto field = amqp::find_field(*headers, "x-first-death-queue");
    if (!field || !field->text()) return key;
    key.second = index_of(*field->text()).value_or(from);
    return key;
}

void SimClients::hear(core::Command& command) {
    Client* client = find(command.connection);
    std::visit(
        Overloaded{
            [&](const core::Deliver& deliver) {
                const auto consumer = consumers_.find({command.connection, deliver.consumer});
                if (consumer == consumers_.end())
                    return promises_.complain(fmt::format(
                        "a delivery for consumer {} of connection {}, which nobody named",
                        deliver.consumer, command.connection.value));
                hear_delivery(client, command, *deliver.message, deliver.delivery_tag,
                              deliver.redelivered, consumer->second);
            },
            [&](const core::DeliverGotten& got) {
                if (client == nullptr) return;
                const Channel& channel = client->channels.at(command.channel);
                hear_delivery(client, command, *got.message, got.delivery_tag, got.redelivered,
                              channel.queue);
            },
            [&](const core::ConsumerNamed& named) {
                consumers_[{command.connection, named.number}] =
                    static_cast<QueueIndex>(number_in(*named.tag));
            },
            [&](const core::Confirm& confirm) {
                if (client != nullptr) hear_confirm(*client, confirm);
            },
            [&](const core::Reply& reply) {
                if (client != nullptr) hear_reply(*client, command.channel, *reply.method);
            },
            [&](const core::CloseChannel& close) { promises_.complain(close.reason->text); },
            [&](const core::CloseConnection& close) {
                if (client == nullptr || close.reason->code == amqp::ReplyCode::connection_forced)
                    return;
                promises_.complain(close.reason->text);
            },
            [&](const core::HoldPublishes&) {
                if (client != nullptr) client->holds_publishes = true;
            },
            [&](const core::TakePublishes&) {
                if (client != nullptr) client->holds_publishes = false;
            },
            [&](const core::PauseReading&) {
                if (client != nullptr) client->is_paused = true;
            },
            [&](const core::ResumeReading&) {
                if (client != nullptr) client->is_paused = false;
            },
            [](const auto&) {}},
        command.action);
}

void SimClients::hear_delivery(Client* client, const core::Command& command,
                               const core::Message& message, std::uint64_t tag, bool redelivered,
                               QueueIndex from) {
    const Key key = key_of(message, from);
    if (as_text(message.body()) != body_of(key.first))
        promises_.complain(fmt::format("the body of message {} has changed", key.first));
    if (client == nullptr) return promises_.delivered(key, from, 0, redelivered, false);
    client->unwritten += core::delivery_charge(message);
    Channel& channel = client->channels.at(command.channel);
    const std::uint64_t name = command.connection.value * 10 + command.channel;
    if (from == log_index) {
        promises_.read(key, name);
        channel.held.emplace(tag, Held{key, from});
        return;
    }
    promises_.delivered(key, from, name, redelivered, true);
    const Wish wish = channel.wish;
    const bool is_gotten = std::holds_alternative<core::DeliverGotten>(command.action);
    if (is_gotten) channel.wish = Wish::none;
    if (is_gotten) promises_.taken(std::exchange(channel.behind_get, {}));
    if (is_gotten && wish == Wish::get_without_ack)
        promises_.heard_without_ack(key, promises_.next_order());
    else
        channel.held.emplace(tag, Held{key, from});
}

void SimClients::hear_confirm(Client& client, const core::Confirm& confirm) {
    auto& unconfirmed = client.channels.at(confirming).unconfirmed;
    const auto last = unconfirmed.upper_bound(confirm.delivery_tag);
    const auto first =
        confirm.multiple ? unconfirmed.begin() : unconfirmed.find(confirm.delivery_tag);
    if (first == unconfirmed.end() || first == last)
        return promises_.complain("a confirm for nothing");
    for (auto one = first; one != last; ++one) {
        const Publish& publish = one->second;
        if (confirm.refused)
            promises_.refused(publish.keys);
        else
            promises_.confirmed(publish.keys, confirms_prove_ ? publish.order : 0);
    }
    unconfirmed.erase(first, last);
}

void SimClients::hear_reply(Client& client, core::ChannelNumber number,
                            const amqp::Method& method) {
    Channel& channel = client.channels.at(number);
    QueueState& queue = queues_[channel.queue];
    const Wish wish = channel.wish;
    const auto is_answer = [&](Wish to) {
        if (wish != to) return false;
        channel.wish = Wish::none;
        return true;
    };
    if (std::holds_alternative<amqp::QueueDeclareOk>(method)) {
        // An earlier one, which says nothing of what was asked since.
        if (channel.unasked != 0) return (void)--channel.unasked;
        if (is_answer(Wish::declare) && channel.life == queue.life) queue.must_exist = true;
    } else if (std::holds_alternative<amqp::QueueDeleteOk>(method)) {
        if (!is_answer(Wish::remove)) return;
        queue.must_not_exist = channel.life == queue.life;
        promises_.cleared(channel.number);
    } else if (const auto* purged = std::get_if<amqp::QueuePurgeOk>(&method)) {
        if (is_answer(Wish::purge) && purged->message_count != 0) promises_.cleared(channel.number);
    } else if (std::holds_alternative<amqp::TxCommitOk>(method)) {
        if (is_answer(Wish::commit)) promises_.committed(channel.number, channel.order);
    } else if (std::holds_alternative<amqp::BasicConsumeOk>(method)) {
        is_answer(Wish::consume);
    } else if (std::holds_alternative<amqp::BasicGetEmpty>(method)) {
        promises_.taken(std::exchange(channel.behind_get, {}));
        if (is_answer(Wish::get_without_ack)) return promises_.heard_of_nothing();
        is_answer(Wish::get);
    }
}

// --- Crashes -------------------------------------------------------------------------------------

void SimClients::forget_connections() {
    clients_ = {};
    consumers_.clear();
}

void SimClients::look_at(const std::vector<core::Record>& state) {
    std::map<core::QueueId, QueueIndex> names;
    std::array<QueueState, 8> before = std::exchange(queues_, {});
    std::map<QueueIndex, std::map<core::Position, Key>> messages;
    for (const core::Record& record : state) {
        if (const auto* declared = std::get_if<core::QueueDeclared>(&record)) {
            const QueueIndex queue = index_of(declared->name).value_or(0);
            names[declared->id] = queue;
            queues_[queue].exists = queues_[queue].must_exist = true;
        } else if (const auto* bound = std::get_if<core::Bound>(&record)) {
            queues_[index_of(bound->destination).value_or(0)].is_bound = true;
        } else if (const auto* stored = std::get_if<core::MessageStored>(&record)) {
            if (!stored->message) {
                promises_.complain("a message cannot be read back");
                continue;
            }
            const auto add = [&](const core::Place& place) {
                const QueueIndex queue = names.at(place.queue);
                messages[queue][place.position] = key_of(*stored->message, queue);
            };
            add(stored->first);
            for (const core::Place& place : stored->others) add(place);
        }
    }
    for (QueueIndex queue = 0; queue < queues_.size(); ++queue) {
        if (before[queue].must_exist && !queues_[queue].exists)
            promises_.complain(fmt::format("queue {} is lost", kinds[queue].name));
        if (before[queue].must_not_exist && queues_[queue].exists)
            promises_.complain(fmt::format("queue {} is back", kinds[queue].name));
        queues_[queue].must_not_exist = !queues_[queue].exists;
    }
    for (const auto& [queue, copies] : messages)
        for (const auto& [position, key] : copies) promises_.found(key, queue);
    promises_.settle_recovery();
}

void SimClients::expect_all_answered() {
    for (const Client& client : clients_) {
        if (!client.is_connected) continue;
        if (client.is_paused || client.holds_publishes)
            promises_.complain("a publisher still waits");
        for (const auto& [number, channel] : client.channels) {
            if (!channel.unconfirmed.empty()) promises_.complain("a publish was never confirmed");
            if (channel.wish != Wish::none)
                promises_.complain(fmt::format("question {} about queue {} was never answered",
                                               static_cast<int>(channel.wish),
                                               kinds[channel.queue].name));
        }
    }
}

} // namespace baton::test
