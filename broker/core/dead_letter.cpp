// x-death, as RabbitMQ writes it: an array of tables, newest first, counted per queue and reason.
#include "broker/core/dead_letter.hpp"

#include "amqp/properties.hpp"
#include "broker/core/edit.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace baton::broker::core {

std::string_view name_of(DeathReason reason) {
    switch (reason) {
    case DeathReason::rejected: return "rejected";
    case DeathReason::expired: return "expired";
    case DeathReason::maxlen: return "maxlen";
    case DeathReason::delivery_limit: return "delivery_limit";
    }
    return "";
}

namespace {

using amqp::FieldArray;
using amqp::FieldTable;
using amqp::FieldValue;

FieldArray deaths_of(const FieldTable& headers) {
    const FieldValue* found = headers.find("x-death");
    const FieldArray* deaths = found != nullptr ? found->get<FieldArray>() : nullptr;
    return deaths != nullptr ? *deaths : FieldArray{};
}

std::int64_t times(const FieldTable& death) {
    return std::max<std::int64_t>(death.integer("count").value_or(1), 1);
}

// Old brokers wrote an entry for each death and no count: one for each queue and reason is left.
FieldArray together(FieldArray deaths) {
    std::map<std::pair<std::string, std::string>, std::size_t> places;
    FieldArray merged;
    for (FieldValue& one : deaths.items) {
        const FieldTable* table = one.get<FieldTable>();
        const auto queue = table != nullptr ? table->text("queue") : std::nullopt;
        const auto reason = table != nullptr ? table->text("reason") : std::nullopt;
        if (!queue || !reason) {
            merged.items.push_back(std::move(one));
            continue;
        }
        const auto [place, is_first] = places.try_emplace(
            {std::string(*queue), std::string(*reason)}, merged.items.size());
        if (is_first) {
            merged.items.push_back(std::move(one));
            continue;
        }
        FieldTable& kept = *merged.items[place->second].get<FieldTable>();
        const std::int64_t more = times(*table);
        const std::int64_t sum =
            times(kept) > INT64_MAX - more ? INT64_MAX : times(kept) + more;
        kept.set("count", FieldValue(sum));
    }
    return merged;
}

const FieldTable* death_table(const FieldValue& value) { return value.get<FieldTable>(); }

// Counts the death up if the message died here for this reason before, and puts it first.
void remember(FieldArray& deaths, const Death& death, const Message& message,
              const std::vector<std::string>& routing_keys,
              const std::optional<std::string>& expiration) {
    const std::string_view reason = name_of(death.reason);
    const auto same = std::find_if(deaths.items.begin(), deaths.items.end(), [&](const auto& one) {
        const FieldTable* table = death_table(one);
        return table != nullptr && table->text("queue") == death.queue &&
               table->text("reason") == reason;
    });
    if (same != deaths.items.end()) {
        FieldTable& table = *same->template get<FieldTable>();
        const std::int64_t count = times(table);
        // A client may have sent any number.
        table.set("count", FieldValue(count < INT64_MAX ? count + 1 : count));
        std::rotate(deaths.items.begin(), same, same + 1);
        return;
    }
    FieldTable table;
    table.set("count", FieldValue(std::int64_t{1}));
    table.set("reason", FieldValue(reason));
    table.set("queue", FieldValue(death.queue));
    table.set("time", FieldValue(amqp::Timestamp{
                          static_cast<std::uint64_t>(micros_of(death.at) / 1'000'000)}));
    table.set("exchange", FieldValue(message.exchange()));
    FieldArray keys;
    for (const std::string& key : routing_keys) keys.items.emplace_back(key);
    table.set("routing-keys", FieldValue(std::move(keys)));
    if (expiration) table.set("original-expiration", FieldValue(*expiration));
    deaths.items.insert(deaths.items.begin(), FieldValue(std::move(table)));
}

void note_first_and_last(FieldTable& headers, const Death& death, const Message& message) {
    const auto note = [&](std::string_view prefix) {
        headers.set(std::string(prefix) + "reason", FieldValue(name_of(death.reason)));
        headers.set(std::string(prefix) + "queue", FieldValue(death.queue));
        headers.set(std::string(prefix) + "exchange", FieldValue(message.exchange()));
    };
    if (!headers.contains("x-first-death-reason")) note("x-first-death-");
    note("x-last-death-");
}

} // namespace

DeadLetter dead_letter_from(const Message& message, const Death& death) {
    amqp::Properties properties = properties_of(message.properties());
    FieldTable headers = std::move(properties.headers).value_or(FieldTable{});

    std::vector<std::string> old_keys{std::string(message.routing_key())};
    for (std::string& key : routing_keys_in(headers, "CC")) old_keys.push_back(std::move(key));

    DeadLetter letter;
    letter.deaths = together(deaths_of(headers));
    remember(letter.deaths, death, message, old_keys, properties.expiration);
    if (death.dead_letter_routing_key) {
        headers.erase("CC");
        letter.routing_keys.emplace_back(*death.dead_letter_routing_key);
    } else {
        letter.routing_keys = std::move(old_keys);
    }
    headers.set("x-death", FieldValue(letter.deaths));
    note_first_and_last(headers, death, message);
    headers.erase("x-delivery-count");
    properties.headers = std::move(headers);
    properties.expiration.reset();
    letter.message = with_properties(message, properties, death.dead_letter_exchange,
                                     letter.routing_keys.front());
    return letter;
}

bool closes_cycle(const FieldArray& deaths, std::string_view queue) {
    for (const FieldValue& one : deaths.items) {
        const FieldTable* table = death_table(one);
        if (table == nullptr) continue;
        if (table->text("reason") == name_of(DeathReason::rejected)) return false;
        if (table->text("queue") == queue) return true;
    }
    return false;
}

} // namespace baton::broker::core
