// The caller's thread waits for a future; everything else happens on the thread of the connection.
#include "workers/key_locks.hpp"

#include "amqp/client/publisher.hpp"
#include "amqp/client/reconnect.hpp"
#include "amqp/errors.hpp"
#include "amqp/spec.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/thread.hpp"
#include "workers/handler.hpp"
#include "workers/turnstile.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <openssl/sha.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace baton::workers {

namespace asio = boost::asio;
namespace client = amqp::client;
using net::Awaitable;

namespace {

// The lock is asked for again after this, and after twice as long each time.
constexpr Duration pause_min = std::chrono::milliseconds(5);
constexpr Duration pause_max = std::chrono::milliseconds(200);
// As long as the shipped workflows remember who they provisioned.
constexpr std::int64_t note_life_ms = std::int64_t{30} * 24 * 60 * 60 * 1000;

// Keys hold people's names, and names of queues are limited to 255 bytes.
std::string hash_of(const std::string& key) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
    std::string text;
    for (int i = 0; i < 16; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
}

} // namespace

struct KeyLocks::Inside {
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
    std::unique_ptr<client::Reconnect> link;
    std::map<std::string, std::unique_ptr<Turnstile>> turnstiles;
    bool is_stopping = false;
    Thread thread;

    using Lock = std::shared_ptr<client::Channel>;

    template <typename T>
    T wait(Awaitable<T> work) {
        return asio::co_spawn(io, std::move(work), asio::use_future).get();
    }

    Awaitable<Outcome<Lock>> enter(std::string key, Duration patience);
    Awaitable<Outcome<Lock>> take(std::string key, Duration patience);
    Awaitable<void> leave(std::string key, Lock lock);
    Awaitable<bool> is_valid(Lock lock);
    Awaitable<Outcome<std::string>> read_note(std::string key);
    Awaitable<Outcome<void>> write_note(std::string key, std::string text);
    Awaitable<Outcome<std::shared_ptr<client::Channel>>> open_channel();
    void leave_turnstile(const std::string& key);
};

struct KeyLocks::Held::Place {
    std::shared_ptr<Inside> inside;
    std::string key;
    Inside::Lock lock;
};

// --- on the connection's thread -----------------------------------------------------------------

Awaitable<Outcome<std::shared_ptr<client::Channel>>> KeyLocks::Inside::open_channel() {
    client::Connection* connection = link->connection();
    if (!connection)
        co_return Failure{make_error_code(boost::system::errc::not_connected), "no connection to the broker"};
    co_return co_await connection->open_channel();
}

// First come, first served within the process; among processes whoever asks first when it is free.
Awaitable<Outcome<KeyLocks::Inside::Lock>> KeyLocks::Inside::enter(std::string key, Duration patience) {
    auto& turnstile = turnstiles[key];
    if (!turnstile) turnstile = std::make_unique<Turnstile>(io.get_executor(), 1);
    co_await turnstile->enter();
    auto taken = co_await take(key, patience);
    if (!taken) leave_turnstile(key);
    co_return taken;
}

Awaitable<Outcome<KeyLocks::Inside::Lock>> KeyLocks::Inside::take(std::string key, Duration patience) {
    const auto limit = std::chrono::steady_clock::now() + patience;
    Duration pause = pause_min;
    while (true) {
        auto channel = co_await open_channel();
        Failure reason;
        if (channel) {
            amqp::QueueDeclare declare;
            declare.queue = "baton.lock." + hash_of(key);
            declare.exclusive = true;
            const auto declared = co_await (*channel)->call(std::move(declare));
            if (declared) co_return *channel;
            reason = declared.error();
        } else {
            reason = channel.error();
        }
        // Somebody else has it: 405. Anything else may pass, too, except that we may not.
        if (reason.code == amqp::ReplyCode::access_refused || is_stopping) co_return reason;
        if (std::chrono::steady_clock::now() >= limit) co_return reason;
        static_cast<void>(co_await net::sleep_for(pause));
        pause = std::min(pause * 2, pause_max);
    }
}

Awaitable<void> KeyLocks::Inside::leave(std::string key, Lock lock) {
    if (lock->is_open()) {
        amqp::QueueDelete remove;
        remove.queue = "baton.lock." + hash_of(key);
        static_cast<void>(co_await lock->call(std::move(remove)));
        static_cast<void>(co_await lock->close());
    }
    leave_turnstile(key);
}

void KeyLocks::Inside::leave_turnstile(const std::string& key) {
    const auto found = turnstiles.find(key);
    found->second->leave();
    if (found->second->is_idle(1)) turnstiles.erase(found);
}

Awaitable<bool> KeyLocks::Inside::is_valid(Lock lock) { co_return lock->is_open(); }

Awaitable<Outcome<std::string>> KeyLocks::Inside::read_note(std::string key) {
    auto channel = co_await open_channel();
    if (!channel) co_return channel.error();
    const std::string queue = "baton.note." + hash_of(key);
    const auto got = co_await (*channel)->get(queue, false);
    if (!got) {
        // Most keys have none.
        if (got.error().code == amqp::ReplyCode::not_found) co_return std::string();
        co_return got.error();
    }
    std::string text;
    if (*got) {
        text = (*got)->body.text();
        static_cast<void>((*channel)->nack((*got)->delivery_tag, false, true));
    }
    static_cast<void>(co_await (*channel)->close());
    co_return text;
}

Awaitable<Outcome<void>> KeyLocks::Inside::write_note(std::string key, std::string text) {
    auto channel = co_await open_channel();
    if (!channel) co_return channel.error();
    amqp::QueueDeclare declare;
    declare.queue = "baton.note." + hash_of(key);
    declare.durable = true;
    declare.arguments.set("x-max-length", std::int64_t{1});
    declare.arguments.set("x-expires", note_life_ms);
    const std::string queue = declare.queue;
    const auto declared = co_await (*channel)->call(std::move(declare));
    if (!declared) co_return declared.error();
    auto publisher = co_await client::Publisher::open(*channel);
    if (!publisher) co_return publisher.error();
    client::Publication note;
    note.routing_key = queue;
    note.properties.delivery_mode = 2;
    note.body = SharedBytes::copy_of(text);
    note.mandatory = true;
    const auto taken = co_await (*publisher)->publish_confirmed(std::move(note));
    if (!taken) co_return taken.error();
    static_cast<void>(co_await (*channel)->close());
    co_return Outcome<void>();
}

// --- on the callers' threads --------------------------------------------------------------------

KeyLocks::KeyLocks(const std::string& broker_url, const std::string& name) : inside_(std::make_shared<Inside>()) {
    auto endpoint = client::parse_url(broker_url);
    BATON_ASSERT(endpoint, "locks need the URL of a broker");
    endpoint->connection_name = name + " locks";
    client::ReconnectOptions options;
    options.endpoint = std::move(*endpoint);
    options.on_connected = [](client::Connection&) -> Awaitable<Outcome<void>> { co_return Outcome<void>(); };
    inside_->link = std::make_unique<client::Reconnect>(inside_->io.get_executor(), std::move(options));
    asio::co_spawn(inside_->io, inside_->link->run(), [](std::exception_ptr problem) {
        if (problem) std::rethrow_exception(problem);
    });
    inside_->thread = Thread("locks", [inside = inside_.get()] { inside->io.run(); });
}

KeyLocks::~KeyLocks() {
    asio::post(inside_->io, [inside = inside_.get()] {
        inside->is_stopping = true;
        inside->link->stop();
        inside->guard.reset();
    });
    inside_->thread.join();
}

Outcome<KeyLocks::Held> KeyLocks::hold(std::string key, Duration patience) {
    auto lock = inside_->wait(inside_->enter(key, patience));
    if (!lock) return lock.error();
    auto place = std::make_unique<Held::Place>();
    place->inside = inside_;
    place->key = std::move(key);
    place->lock = std::move(*lock);
    return Held(std::move(place));
}

KeyLocks::Held::Held(std::unique_ptr<Place> place) : place_(std::move(place)) {}

KeyLocks::Held::Held(Held&&) noexcept = default;

KeyLocks::Held::~Held() {
    if (place_) place_->inside->wait(place_->inside->leave(place_->key, std::move(place_->lock)));
}

bool KeyLocks::Held::is_valid() const { return place_->inside->wait(place_->inside->is_valid(place_->lock)); }

Outcome<std::string> KeyLocks::Held::note() const {
    return place_->inside->wait(place_->inside->read_note(place_->key));
}

Outcome<void> KeyLocks::Held::put_note(std::string text) const {
    return place_->inside->wait(place_->inside->write_note(place_->key, std::move(text)));
}

contract::Problem no_turn(const Failure& reason) {
    if (reason.code == amqp::ReplyCode::access_refused)
        return configuration("locks", fmt::format("the broker does not let this worker lock: its user needs configure, "
                                                  "write and read on ^baton\\.(lock|note)\\. ({})", reason.detail));
    return not_now("busy", fmt::format("somebody else works on the same: {}", reason.detail), std::chrono::seconds(1));
}

} // namespace baton::workers
