// A message: immutable once made, one object however many queues, commands and records hold it.
// Everything a delivery needs lies in one piece of memory in the form the wire wants, so an outbox
// copies three ranges and is done. References may be held by any thread; what core-only code may
// touch is marked below.
//
//   inline memory: | exchange short string | routing key short string | properties | small body |
//
// Properties are the bytes of the content header from the property flags on, untouched: unknown
// header types and odd encodings pass through.
#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/reference_count.hpp"
#include "broker/core/ids.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::broker::core {

class Message;

// An owning pointer to a message. Copying costs one atomic increment; moving costs nothing.
class MessageRef {
public:
    MessageRef() = default;
    MessageRef(const MessageRef& other);
    MessageRef(MessageRef&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
    MessageRef& operator=(const MessageRef& other) {
        MessageRef copy(other);
        swap(copy);
        return *this;
    }
    MessageRef& operator=(MessageRef&& other) noexcept {
        MessageRef moved(std::move(other));
        swap(moved);
        return *this;
    }
    ~MessageRef();

    // One more holder of a message that somebody holds already.
    static MessageRef share(Message& message);

    void swap(MessageRef& other) noexcept { std::swap(message_, other.message_); }
    Message* get() const { return message_; }
    Message* operator->() const { return message_; }
    Message& operator*() const { return *message_; }
    explicit operator bool() const { return message_ != nullptr; }

private:
    friend class Message;
    explicit MessageRef(Message* adopted) : message_(adopted) {}

    Message* message_ = nullptr;
};

// One copy of a message in one durable queue.
struct Place {
    QueueId queue;
    Position position = 0;
    Time expires_at = Time::max(); // Time::max(): never; in a stream: when the message came
    std::uint32_t delivery_count = 0;
    bool redelivered = false;

    bool operator==(const Place&) const = default;
};

// The durable queues that hold a message. Nearly always one, so the first costs no allocation.
class DurablePlaces {
public:
    bool empty() const { return !has_first_; }
    std::size_t size() const { return (has_first_ ? 1 : 0) + (more_ ? more_->size() : 0); }

    void add(const Place& place) {
        if (!has_first_) {
            first_ = place;
            has_first_ = true;
            return;
        }
        if (!more_) more_ = std::make_unique<std::vector<Place>>();
        more_->push_back(place);
    }

    Place* find(QueueId queue, Position position) {
        if (has_first_ && first_.queue == queue && first_.position == position) return &first_;
        if (more_)
            for (Place& place : *more_)
                if (place.queue == queue && place.position == position) return &place;
        return nullptr;
    }

    // False: it was not there.
    bool remove(QueueId queue, Position position) {
        Place* found = find(queue, position);
        if (found == nullptr) return false;
        if (found != &first_) {
            more_->erase(more_->begin() + (found - more_->data()));
        } else if (more_ && !more_->empty()) {
            first_ = more_->front();
            more_->erase(more_->begin());
        } else {
            has_first_ = false;
        }
        return true;
    }

    const Place& first() const { return first_; }
    std::vector<Place> others() const { return more_ ? *more_ : std::vector<Place>{}; }

private:
    Place first_;
    std::unique_ptr<std::vector<Place>> more_;
    bool has_first_ = false;
};

// What a message is made of. The views need to live only during Message::make().
struct MessageParts {
    std::string_view exchange;    // at most 255 bytes
    std::string_view routing_key; // at most 255 bytes
    ByteView properties;          // flags and values, well formed
    ByteView body;
    // Keeps `body` alive. With an owner a large body is shared instead of copied; null: copied.
    const std::shared_ptr<const void>* body_owner = nullptr;
    bool persistent = false;
    std::uint8_t priority = 0;
    std::optional<std::int64_t> ttl_millis; // the `expiration` property
};

class Message {
public:
    static MessageRef make(const MessageParts& parts);

    // Exchange and routing key, each with its length octet: what basic.deliver, basic.get-ok and
    // basic.return carry one after the other.
    ByteView routing() const { return {memory(), routing_bytes_}; }
    std::string_view exchange() const { return text(memory() + 1, octet(0)); }
    std::string_view routing_key() const {
        const std::size_t start = 1U + octet(0);
        return text(memory() + start + 1, octet(start));
    }
    ByteView properties() const { return {memory() + routing_bytes_, properties_bytes_}; }
    ByteView body() const { return {body_, body_bytes_}; }
    std::uint64_t body_size() const { return body_bytes_; }

    bool is_persistent() const { return persistent_; }
    std::uint8_t priority() const { return priority_; }
    std::optional<std::int64_t> ttl_millis() const {
        if (ttl_millis_ < 0) return std::nullopt;
        return ttl_millis_;
    }

    // What keeps a shared body alive; null when the body lies in the message's own memory.
    const std::shared_ptr<const void>* body_owner() const {
        return body_owner_ ? &body_owner_ : nullptr;
    }

    // What this message costs in memory, for limits.
    std::uint64_t memory_size() const {
        return sizeof(Message) + routing_bytes_ + properties_bytes_ + body_bytes_;
    }

    // --- The core's own notes; nobody else reads or writes them. ---------------------------------

    struct Notes {
        // The youngest record that says this message; 0 while it is not in the journal.
        RecordNumber record = 0;
        // Neighbours in the list of living records, oldest first.
        Message* older = nullptr;
        Message* younger = nullptr;
        // How many queues hold it, ready or unacknowledged.
        std::uint32_t places = 0;
        // Which durable queues hold it; empty for a message that is not in the journal.
        DurablePlaces durable;
    };
    Notes notes;

private:
    friend class MessageRef;

    Message() = default;
    ~Message() = default;

    std::byte* memory() { return reinterpret_cast<std::byte*>(this + 1); }
    const std::byte* memory() const { return reinterpret_cast<const std::byte*>(this + 1); }
    std::size_t octet(std::size_t at) const { return std::to_integer<std::size_t>(memory()[at]); }
    static std::string_view text(const std::byte* start, std::size_t size) {
        return {reinterpret_cast<const char*>(start), size};
    }

    void release();
    static void destroy(Message* message);

    ReferenceCount references_;
    std::uint16_t routing_bytes_ = 0;
    bool persistent_ = false;
    std::uint8_t priority_ = 0;
    std::uint32_t properties_bytes_ = 0;
    std::uint32_t inline_bytes_ = 0;
    std::uint64_t body_bytes_ = 0;
    const std::byte* body_ = nullptr;
    std::int64_t ttl_millis_ = -1;
    std::shared_ptr<const void> body_owner_;
};

inline MessageRef::MessageRef(const MessageRef& other) : message_(other.message_) {
    if (message_ != nullptr) message_->references_.add();
}

inline MessageRef MessageRef::share(Message& message) {
    message.references_.add();
    return MessageRef(&message);
}

inline MessageRef::~MessageRef() {
    if (message_ != nullptr) message_->release();
}

inline void Message::release() {
    if (references_.drop()) destroy(this);
}

} // namespace baton::broker::core
