#include "web/broker/broker_port.hpp"

#include "amqp/spec.hpp"
#include "web/http/await_reply.hpp"
#include "web/http/replies.hpp"

#include <fmt/format.h>

namespace baton::web {

namespace broker_core = broker::core;
using boost::asio::awaitable;

namespace {

// Longer than any healthy sync; a full disk keeps changes waiting until then.
constexpr std::chrono::seconds port_answer_limit{30};

// "NOT_FOUND - no queue …" without the word in front, which the status says already.
std::string_view without_code(const broker_core::Answer& answer) {
    std::string_view text = answer.text;
    const auto word = fmt::format("{} - ", amqp::name_of(answer.code));
    if (text.starts_with(word)) text.remove_prefix(word.size());
    return text;
}

} // namespace

broker_core::OverviewWish no_lists() {
    broker_core::OverviewWish wish;
    wish.queues = wish.exchanges = wish.bindings = wish.connections = wish.channels = wish.consumers = false;
    wish.users = wish.policies = false;
    return wish;
}

awaitable<std::optional<broker_core::Overview>> look(const BrokerPort& port, broker_core::OverviewWish wish) {
    co_return co_await await_reply<broker_core::Overview>(
        port_answer_limit, [&port, wish](auto callback) { port.overview(wish, std::move(callback)); });
}

awaitable<std::optional<broker_core::Answer>> change(const BrokerPort& port, broker_core::AdministrationRequest wish) {
    co_return co_await await_reply<broker_core::Answer>(port_answer_limit, [&port, wish](auto callback) {
        port.administer(wish, std::move(callback));
    });
}

awaitable<std::optional<MqttState>> look_at_mqtt(const BrokerPort& port) {
    if (!port.mqtt) co_return std::nullopt;
    const auto state = co_await await_reply<std::optional<MqttState>>(
        port_answer_limit, [&port](auto callback) { port.mqtt(std::move(callback)); });
    co_return state ? *state : std::nullopt;
}

awaitable<std::optional<bool>> end_mqtt_session(const BrokerPort& port, std::string vhost, std::string client_id) {
    if (!port.end_mqtt_session) co_return false;
    co_return co_await await_reply<bool>(port_answer_limit, [&](auto callback) {
        port.end_mqtt_session(vhost, client_id, std::move(callback));
    });
}

Response broker_is_silent() {
    return problem(503, "unavailable", "the broker did not answer in time; its disk may be full, see the server's log");
}

Response answered(const std::optional<broker_core::Answer>& answer, unsigned good) {
    if (!answer) return broker_is_silent();
    const auto text = without_code(*answer);
    using enum amqp::ReplyCode;
    if (answer->code == success) return done(good);
    if (answer->code == not_found) return problem(404, "not_found", text);
    if (answer->code == access_refused) return problem(401, "not_authorised", text);
    if (answer->code == connection_forced) return problem(503, "unavailable", "the broker is stopping");
    return problem(400, "bad_request", text);
}

} // namespace baton::web
