// Bookkeeping of what is published and not yet settled.
#include "amqp/client/publisher.hpp"

#include "amqp/client/connection.hpp"
#include "amqp/client/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace baton::amqp::client {

namespace {

// More than this many unwritten bytes count as no room: the socket is slower than the caller.
constexpr std::size_t backlog_bytes_max = 4u << 20;

// A return carries no sequence number. Exchange, key and message id tell which message it was;
// where there is no id, the body has to do.
std::size_t fingerprint_of(std::string_view exchange, std::string_view routing_key,
                           const Properties& properties, const SharedBytes& body) {
    const std::hash<std::string_view> hash;
    std::size_t mixed = hash(exchange) * 31 + hash(routing_key);
    mixed = mixed * 31 + (properties.message_id ? hash(*properties.message_id) : hash(body.text()));
    return mixed;
}

} // namespace

struct Publisher::Waiter {
    explicit Waiter(const net::asio::any_io_executor& executor) : settled(executor) {}
    net::Wakeup settled;
    std::optional<Settled> result;
};

net::Awaitable<Outcome<std::shared_ptr<Publisher>>>
Publisher::open(std::shared_ptr<Channel> channel, std::size_t window) {
    const auto selected = co_await channel->call(ConfirmSelect{});
    if (!selected) co_return selected.error();
    co_return std::shared_ptr<Publisher>(new Publisher(std::move(channel), window));
}

Publisher::Publisher(std::shared_ptr<Channel> channel, std::size_t window)
    : channel_(std::move(channel)),
      window_(std::max<std::size_t>(window, 1)),
      progress_(channel_->executor_) {
    channel_->publisher_ = this;
    // The channel may have ended between select-ok and now.
    has_ended_ = !channel_->is_open();
}

Publisher::~Publisher() {
    channel_->publisher_ = nullptr;
}

Result<std::uint64_t> Publisher::publish(const Publication& publication, std::uint64_t token) {
    if (has_ended_ || !channel_->is_open()) return ErrorCode(Errc::channel_closed);
    properties_.clear();
    BATON_TRY(encode_properties(publication.properties, properties_));
    Connection& connection = *channel_->connection_;
    const BasicPublishView method{publication.exchange, publication.routing_key,
                                  publication.mandatory, false};
    BATON_TRY(append_publish(connection.out_, channel_->number_, method,
                             {properties_.view(), publication.body.view()}, connection.frame_max_));
    connection.wake_writer();
    Entry& entry = entries_.emplace_back();
    entry.token = token;
    entry.is_mandatory = publication.mandatory;
    if (publication.mandatory)
        entry.fingerprint = fingerprint_of(publication.exchange, publication.routing_key,
                                           publication.properties, publication.body);
    ++unsettled_;
    return last_sequence();
}

net::Awaitable<Outcome<void>> Publisher::publish_confirmed(Publication publication) {
    const auto sequence = publish(publication);
    if (!sequence) {
        if (has_ended_ || !channel_->is_open()) co_return channel_->closed_failure();
        co_return Failure{sequence.error(), sequence.error().message()};
    }
    auto waiter = std::make_shared<Waiter>(channel_->executor_);
    waiters_.emplace(*sequence, waiter);
    const Settled settled = co_await settlement_of(std::move(waiter));
    switch (settled.how) {
    case Settlement::confirmed:
        break;
    case Settlement::nacked:
    case Settlement::lost:
        co_return Failure{settled.code, settled.text};
    case Settlement::returned:
        co_return Failure{Errc::returned,
                          fmt::format("{} (exchange '{}', routing key '{}')", settled.text,
                                      publication.exchange, publication.routing_key)};
    }
    co_return Outcome<void>();
}

net::Awaitable<Settled> Publisher::settlement_of(std::shared_ptr<Waiter> waiter) {
    const auto keep_alive = shared_from_this();
    if (!waiter->result) co_await waiter->settled.wait();
    if (waiter->result) co_return *waiter->result;
    Settled unknown;
    unknown.how = Settlement::lost;
    unknown.code = Errc::cancelled;
    unknown.text = "the wait for the confirm was cancelled";
    co_return unknown;
}

bool Publisher::has_room() const {
    return unsettled_ < window_ && (channel_->connection_ == nullptr ||
                                    channel_->connection_->backlog_bytes() < backlog_bytes_max);
}

net::Awaitable<Status> Publisher::room() {
    const auto keep_alive = shared_from_this();
    while (true) {
        if (has_ended_) co_return ErrorCode(Errc::channel_closed);
        if (has_room()) co_return Status();
        if (!co_await progress_.wait()) co_return ErrorCode(Errc::cancelled);
    }
}

net::Awaitable<Status> Publisher::all_settled() {
    const auto keep_alive = shared_from_this();
    while (unsettled_ != 0)
        if (!co_await progress_.wait()) co_return ErrorCode(Errc::cancelled);
    co_return Status();
}

// --- from the channel -------------------------------------------------------------------------

Status Publisher::take_confirm(std::uint64_t sequence, bool multiple, bool is_ack) {
    const auto keep_alive = shared_from_this();
    if (sequence > last_sequence()) return ErrorCode(amqp::Errc::unexpected_method);
    // Zero with multiple means everything so far.
    const std::uint64_t last = sequence == 0 && multiple ? last_sequence() : sequence;
    const Settlement how = is_ack ? Settlement::confirmed : Settlement::nacked;
    for (std::uint64_t next = multiple ? first_ : std::max(first_, last); next <= last; ++next)
        settle(next, how);
    drop_settled_front();
    progress_.wake_all();
    return {};
}

void Publisher::take_return(const Returned& returned) {
    const std::size_t fingerprint =
        fingerprint_of(returned.exchange, returned.routing_key, returned.properties, returned.body);
    const auto found = std::find_if(entries_.begin(), entries_.end(), [=](const Entry& entry) {
        return entry.is_mandatory && !entry.is_settled && !entry.is_returned &&
               entry.fingerprint == fingerprint;
    });
    if (found == entries_.end()) return;
    // The confirm that follows settles it.
    found->is_returned = true;
    found->code = returned.reply_code;
    found->text = returned.reply_text;
}

void Publisher::take_end(const Failure& reason) {
    const auto keep_alive = shared_from_this();
    has_ended_ = true;
    for (std::uint64_t next = first_; next <= last_sequence(); ++next) {
        Entry& entry = entries_[next - first_];
        if (entry.is_settled) continue;
        entry.code = reason.code;
        entry.text = reason.detail;
        settle(next, Settlement::lost);
    }
    drop_settled_front();
    progress_.wake_all();
}

void Publisher::settle(std::uint64_t sequence, Settlement how) {
    if (sequence < first_) return;
    Entry& entry = entries_[sequence - first_];
    if (entry.is_settled) return;
    entry.is_settled = true;
    --unsettled_;
    if (how == Settlement::confirmed && entry.is_returned) how = Settlement::returned;
    if (how == Settlement::nacked) {
        entry.code = Errc::nacked;
        entry.text = "the broker refused the message";
    }
    const Settled settled{sequence, entry.token, how, entry.code, entry.text};
    if (const auto waiter = waiters_.find(sequence); waiter != waiters_.end()) {
        waiter->second->result = settled;
        waiter->second->settled.set();
        waiters_.erase(waiter);
    }
    if (on_settled_) on_settled_(settled);
}

void Publisher::drop_settled_front() {
    while (!entries_.empty() && entries_.front().is_settled) {
        entries_.pop_front();
        ++first_;
    }
}

} // namespace baton::amqp::client
