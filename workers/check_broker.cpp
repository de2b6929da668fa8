// Each right is tried on a channel of its own, since a refusal closes the channel.
#include "workers/check.hpp"

#include "amqp/client/connection.hpp"
#include "amqp/client/publisher.hpp"
#include "base/random.hpp"
#include "contract/topology.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <optional>

namespace baton::workers {

namespace asio = boost::asio;
namespace client = amqp::client;
using net::Awaitable;

namespace {

// Nothing: it worked.
using Refusal = std::optional<Failure>;

bool is_refused(const Failure& failure) { return failure.code == amqp::ReplyCode::access_refused; }

class Look {
public:
    Look(asio::io_context& io, client::Endpoint endpoint, std::string worker, std::vector<std::string> tasks,
         std::string queue)
        : io_(io),
          shown_(client::to_text(endpoint)),
          user_(endpoint.user),
          connection_(io.get_executor(), std::move(endpoint)),
          worker_(std::move(worker)),
          tasks_(std::move(tasks)),
          queue_(std::move(queue)) {}

    Awaitable<void> run() {
        const auto opened = co_await connection_.open();
        if (!opened) {
            const bool is_login = is_refused(opened.error());
            findings.push_back(missing("broker", fmt::format("{}: {}", shown_, opened.error().detail),
                                       is_login ? "set user and password in BATON_BROKER_URL; `baton ctl list_users` shows who there is"
                                                : "set BATON_BROKER_URL to where the broker listens, amqp://user:password@host:5672/vhost"));
            co_return;
        }
        asio::co_spawn(io_, connection_.run(), [](std::exception_ptr problem, const Failure&) {
            if (problem) std::rethrow_exception(problem);
        });
        findings.push_back(well("broker", "logged in at " + shown_));
        if (!tasks_.empty()) {
            co_await look_at_tasks();
            co_await look_at_reports();
            co_await look_at_control();
        }
        if (worker_ == "redmine" || worker_ == "slack") co_await look_at_locks();
        connection_.close();
    }

    Findings findings;

private:
    struct Seen {
        std::vector<std::string> absent;
        std::vector<std::string> refused;
        Refusal trouble;
    };

    Awaitable<void> look_at_tasks() {
        Seen seen;
        for (const std::string& task : tasks_) co_await look_at_queue(contract::task_queue(contract::task_key(task, queue_)), seen);
        const std::string what = "broker: task queues";
        if (seen.trouble) {
            findings.push_back(missing(what, seen.trouble->detail, "try again"));
        } else if (!seen.refused.empty()) {
            findings.push_back(missing(what, fmt::format("the user '{}' may not read from {}", user_, fmt::join(seen.refused, ", ")),
                                       "let the user read from ^baton\\.task\\. (`baton ctl set_permissions`; docs/workers.md)"));
        } else if (!seen.absent.empty()) {
            co_await look_at_making(seen.absent);
        } else {
            findings.push_back(well(what, fmt::format("all {} are there and may be read", tasks_.size())));
        }
    }

    // A consumer whose priority is no number is refused by every broker, but only after it looked whether
    // the user may read: nothing is ever taken from the queue.
    Awaitable<void> look_at_queue(std::string name, Seen& seen) {
        auto channel = co_await connection_.open_channel();
        if (!channel) {
            seen.trouble = channel.error();
            co_return;
        }
        amqp::QueueDeclare passive;
        passive.queue = name;
        passive.passive = true;
        const auto there = co_await (*channel)->call(std::move(passive));
        if (!there && there.error().code == amqp::ReplyCode::not_found) {
            seen.absent.push_back(std::move(name));
            co_return;
        }
        if (!there) {
            seen.refused.push_back(std::move(name));
            co_return;
        }
        amqp::BasicConsume consume;
        consume.queue = name;
        consume.arguments.set("x-priority", std::string_view("none"));
        const auto tag = co_await (*channel)->consume(std::move(consume), [](const client::Delivery&) {});
        if (!tag && is_refused(tag.error())) seen.refused.push_back(std::move(name));
        if ((*channel)->is_open()) static_cast<void>(co_await (*channel)->close());
    }

    // Who may make a queue of that kind of name makes the absent ones when he starts.
    Awaitable<void> look_at_making(std::vector<std::string> absent) {
        const auto refused = co_await make_own(fmt::format("{}.check-{}", absent.front(), random_name(12)));
        const std::string list = fmt::format("{} of {} are not there yet ({}{})", absent.size(), tasks_.size(), absent.front(),
                                             absent.size() > 1 ? ", …" : "");
        if (refused)
            findings.push_back(missing("broker: task queues", fmt::format("{}, and the user '{}' may make none", list, user_),
                                       "deploy a workflow that uses these tasks, or let the user configure ^baton\\.task\\."));
        else
            findings.push_back(well("broker: task queues", list + "; the worker makes them when it starts"));
    }

    // A queue of our own, on a channel of its own.
    struct Own {
        std::shared_ptr<client::Channel> channel;
        std::string queue;
    };
    Awaitable<Outcome<Own>> own_queue(std::string name) {
        auto channel = co_await connection_.open_channel();
        if (!channel) co_return channel.error();
        amqp::QueueDeclare declare;
        declare.queue = std::move(name);
        declare.exclusive = true;
        declare.auto_delete = true;
        const auto made = co_await (*channel)->call(std::move(declare));
        if (!made) co_return made.error();
        Own own;
        own.channel = std::move(*channel);
        own.queue = made->queue;
        co_return own;
    }

    Awaitable<void> give_back(Own own) {
        amqp::QueueDelete remove;
        remove.queue = own.queue;
        static_cast<void>(co_await own.channel->call(std::move(remove)));
        static_cast<void>(co_await own.channel->close());
    }

    Awaitable<Refusal> make_own(std::string name) {
        const auto own = co_await own_queue(std::move(name));
        if (!own) co_return own.error();
        co_await give_back(*own);
        co_return std::nullopt;
    }

    // A message to a queue of our own and back.
    Awaitable<Refusal> send_to_own(std::string name) {
        const auto own = co_await own_queue(std::move(name));
        if (!own) co_return own.error();
        auto publisher = co_await client::Publisher::open(own->channel);
        if (!publisher) co_return publisher.error();
        client::Publication message;
        message.routing_key = own->queue;
        message.mandatory = true;
        message.body = SharedBytes::copy_of("check");
        const auto taken = co_await (*publisher)->publish_confirmed(std::move(message));
        if (!taken) co_return taken.error();
        const auto got = co_await own->channel->get(own->queue, true);
        if (!got) co_return got.error();
        co_await give_back(*own);
        co_return std::nullopt;
    }

    Awaitable<void> look_at_reports() {
        const auto refused = co_await send_to_own({});
        if (!refused)
            findings.push_back(well("broker: reports", "may be sent"));
        else
            findings.push_back(missing("broker: reports", refused->detail,
                                       "let the user configure and read ^amq\\.gen and write to ^amq\\.(default$|gen)"));
    }

    Awaitable<void> look_at_control() {
        const std::string what = "broker: cancels and holds";
        auto channel = co_await connection_.open_channel();
        if (!channel) co_return;
        amqp::ExchangeDeclare exchange;
        exchange.exchange = contract::control_exchange;
        exchange.type = "topic";
        exchange.passive = true;
        const auto there = co_await (*channel)->call(std::move(exchange));
        if (!there && there.error().code == amqp::ReplyCode::not_found) {
            findings.push_back(well(what, "the server has not made baton.control yet; the worker or the server does"));
            co_return;
        }
        Refusal refused;
        if (there) refused = co_await bind_own();
        else refused = there.error();
        if (!refused)
            findings.push_back(well(what, "are heard"));
        else
            findings.push_back(missing(what, refused->detail, "let the user read from ^baton\\.control$, configure and write to ^amq\\.gen"));
    }

    Awaitable<Refusal> bind_own() {
        const auto own = co_await own_queue({});
        if (!own) co_return own.error();
        amqp::QueueBind bind;
        bind.queue = own->queue;
        bind.exchange = contract::control_exchange;
        bind.routing_key = contract::cancel_key(tasks_.front());
        const auto bound = co_await own->channel->call(std::move(bind));
        if (!bound) co_return bound.error();
        co_await give_back(*own);
        co_return std::nullopt;
    }

    // As key_locks.hpp names them.
    Awaitable<void> look_at_locks() {
        for (const char* kind : {"lock", "note"}) {
            const std::string what = fmt::format("broker: {}s", kind);
            const auto refused = co_await send_to_own(fmt::format("baton.{}.check-{}", kind, random_name(12)));
            if (!refused)
                findings.push_back(well(what, "may be made"));
            else
                findings.push_back(missing(what, refused->detail,
                                           "let the user configure, write to and read from ^baton\\.(lock|note)\\."));
        }
    }

    asio::io_context& io_;
    std::string shown_;
    std::string user_;
    client::Connection connection_;
    std::string worker_;
    std::vector<std::string> tasks_;
    std::string queue_;
};

} // namespace

Findings check_broker(const std::string& name, const std::string& broker_url, const std::vector<Handler>& handlers,
                      const std::string& queue) {
    auto endpoint = client::parse_url(broker_url);
    if (!endpoint) return {missing("broker", endpoint.error().detail, "set BATON_BROKER_URL to amqp://user:password@host:5672/vhost")};
    if (endpoint->connection_name.empty()) endpoint->connection_name = name + " check";
    std::vector<std::string> tasks;
    for (const Handler& handler : handlers) tasks.push_back(handler.task);
    asio::io_context io{1};
    Look look(io, std::move(*endpoint), name, std::move(tasks), queue);
    asio::co_spawn(io, look.run(), [](std::exception_ptr problem) {
        if (problem) std::rethrow_exception(problem);
    });
    io.run();
    return std::move(look.findings);
}

} // namespace baton::workers
