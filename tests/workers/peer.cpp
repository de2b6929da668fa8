// The AMQP client behind futures.
#include "peer.hpp"

#include "amqp/client/connection.hpp"
#include "amqp/client/publisher.hpp"
#include "base/mailbox.hpp"
#include "base/thread.hpp"
#include "contract/topology.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <stdexcept>

namespace baton::workers::test {

namespace asio = boost::asio;
namespace client = amqp::client;
using net::Awaitable;

namespace {

template <typename T>
T must(Outcome<T> outcome) {
    if (!outcome) throw std::runtime_error(outcome.error().detail);
    return std::move(*outcome);
}

} // namespace

class Peer::Inside {
public:
    explicit Inside(const std::string& url)
        : connection_(io_.get_executor(), must(client::parse_url(url))) {
        thread_ = Thread("peer", [this] { io_.run(); });
        try {
            wait(open());
        } catch (...) {
            guard_.reset();
            thread_.join();
            throw;
        }
    }

    ~Inside() {
        asio::post(io_, [this] { connection_.close(); });
        guard_.reset();
        thread_.join();
    }

    template <typename T>
    T wait(Awaitable<T> operation) {
        return asio::co_spawn(io_, std::move(operation), asio::use_future).get();
    }

    Awaitable<void> open() {
        auto opened = co_await connection_.open();
        if (!opened) throw std::runtime_error(opened.error().detail);
        asio::co_spawn(io_, connection_.run(), [](std::exception_ptr, const Failure&) {});
        channel_ = must(co_await connection_.open_channel());
        publisher_ = must(co_await client::Publisher::open(must(co_await connection_.open_channel())));
        amqp::QueueDeclare declare;
        declare.exclusive = true;
        queue_ = must(co_await channel_->call(std::move(declare))).queue;
        amqp::BasicConsume consume;
        consume.queue = queue_;
        consume.no_ack = true;
        auto on_delivery = [this](client::Delivery delivery) { reports_.put(std::move(delivery)); };
        must(co_await channel_->consume(std::move(consume), std::move(on_delivery)));
    }

    Awaitable<void> publish(client::Publication publication) {
        const auto published = co_await publisher_->publish_confirmed(std::move(publication));
        if (!published) throw std::runtime_error(published.error().detail);
    }

    Awaitable<std::size_t> consumers_of(std::string queue) {
        amqp::QueueDeclare declare;
        declare.queue = std::move(queue);
        declare.passive = true;
        co_return must(co_await channel_->call(std::move(declare))).consumer_count;
    }

    Awaitable<void> declare(std::string queue) {
        amqp::QueueDeclare declare;
        declare.queue = std::move(queue);
        declare.durable = true;
        must(co_await channel_->call(std::move(declare)));
    }

    Awaitable<std::optional<client::Delivery>> get(std::string queue) {
        co_return must(co_await channel_->get(std::move(queue), true));
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_{io_.get_executor()};
    client::Connection connection_;
    std::shared_ptr<client::Channel> channel_;
    std::shared_ptr<client::Publisher> publisher_;
    std::string queue_;
    Mailbox<client::Delivery> reports_;
    std::vector<client::Delivery> taken_;
    Thread thread_;
};

Peer::Peer(const std::string& url) : inside_(std::make_unique<Inside>(url)) {}
Peer::~Peer() = default;

const std::string& Peer::reply_queue() const { return inside_->queue_; }

void Peer::publish(const std::string& exchange, const std::string& key, contract::Message message) {
    client::Publication publication;
    publication.exchange = exchange;
    publication.routing_key = key;
    publication.properties = std::move(message.properties);
    publication.body = SharedBytes::copy_of(message.body);
    publication.mandatory = true;
    inside_->wait(inside_->publish(std::move(publication)));
}

void Peer::send(contract::TaskRequest request, bool wants_reply) {
    if (request.reply_to.empty() && wants_reply) request.reply_to = inside_->queue_;
    contract::Message message = contract::encode(request);
    if (request.reply_to.empty()) message.properties.reply_to.reset();
    publish(std::string(contract::task_exchange), request.task, std::move(message));
}

std::optional<contract::TaskReport> Peer::next_report() {
    if (inside_->taken_.empty()) inside_->taken_ = inside_->reports_.take(std::chrono::seconds(10));
    if (inside_->taken_.empty()) return std::nullopt;
    const client::Delivery first = std::move(inside_->taken_.front());
    inside_->taken_.erase(inside_->taken_.begin());
    return contract::decode_report(first.properties, first.body.text());
}

std::optional<contract::TaskReport> Peer::next_result() {
    while (true) {
        auto report = next_report();
        if (!report) return report;
        if (std::holds_alternative<contract::Completed>(report->report) ||
            std::holds_alternative<contract::Failed>(report->report) ||
            std::holds_alternative<contract::Cancelled>(report->report))
            return report;
    }
}

std::optional<contract::TaskReport> Peer::call(const std::string& task, const std::string& with,
                                               const std::string& key) {
    contract::TaskRequest request;
    request.task = task;
    request.with = with;
    request.token = "token-" + key;
    request.idempotency_key = key;
    send(std::move(request));
    return next_result();
}

void Peer::declare(const std::string& queue) { inside_->wait(inside_->declare(queue)); }

std::size_t Peer::consumers_of(const std::string& queue) {
    return inside_->wait(inside_->consumers_of(queue));
}

std::optional<amqp::client::Delivery> Peer::get(const std::string& queue) {
    return inside_->wait(inside_->get(queue));
}

} // namespace baton::workers::test
