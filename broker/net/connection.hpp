// One client of AMQP, from accept to close: handshake, then reading, writing and watching side by side
// until one of them ends it, then goodbye. It lives on one I/O thread; its coroutine serve() is its
// life. In the long middle stage that coroutine only waits, and three handlers do the work.
#pragma once

#include "amqp/frame_reader.hpp"
#include "broker/net/byte_stream.hpp"
#include "broker/net/client.hpp"
#include "broker/net/content_assembler.hpp"
#include "broker/net/outbox.hpp"
#include "broker/net/surroundings.hpp"
#include "net/wakeup.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>
#include <memory>
#include <optional>

namespace baton::broker::net {

class Connection final : public Client {
public:
    using Socket = Link::Socket;

    // `around` must outlive the connection.
    Connection(Link link, const Surroundings& around, ByteStream::Layers layers);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() override;

    baton::net::Awaitable<> serve();

    bool add(core::Command& command) override;
    void flush() override;
    void resume() override;
    void drop() override;
    void acknowledge() override;
    std::uint64_t held_bytes() const override { return held_bytes_; }
    core::Traffic traffic() const override;
    bool is_going() const override { return is_lost_; }
    bool was_told() const override { return has_violated_; }
    bool waits_to_publish() const override { return stops_at_publish_ && outbox_.holds_publishes(); }
    const std::string& user() const override { return user_; }
    void let_go() override;
    bool is_open() const override { return id_.value != 0; }

private:
    baton::net::Awaitable<> shake_hands_in_time();
    baton::net::Awaitable<> shake_hands();
    baton::net::Awaitable<bool> open_stream();
    baton::net::Awaitable<bool> read_protocol_header();
    baton::net::Awaitable<bool> read_more();
    baton::net::Awaitable<bool> write_all();
    void open();

    baton::net::Awaitable<> say_goodbye_in_time();
    baton::net::Awaitable<> say_goodbye();

    void begin();
    void go_on();
    void finish();
    bool is_back();
    void on_input(const ErrorCode& error, std::size_t first);
    void on_publish_taken();
    void on_writable(const ErrorCode& error);
    void arm_watch();
    void watch();

    std::size_t read_some(std::span<std::byte> space, ErrorCode& error);
    std::size_t write_some(ByteView bytes, ErrorCode& error);
    std::span<std::byte> space_to_read();
    void give_chunk();
    void read_what_is_there(std::size_t first = 0);
    void acknowledge_soon();
    void take_frames();
    bool take(const amqp::Frame& frame);
    bool take_method(const amqp::Frame& frame);
    bool take_publish(const amqp::Frame& frame);
    bool take_content(const amqp::Frame& frame);
    void take_while_closing();
    void say_close_ok();
    void violate(amqp::ReplyCode code, std::string text, amqp::MethodId failed = {});
    void violate(const ErrorCode& error, amqp::MethodId failed = {});
    void violate_order(const amqp::Frame& frame);

    void note_held();
    void release_memory();
    bool is_over() const;
    bool may_read() const;
    bool waits_for_inlet();

    const Surroundings& around_;
    ByteStream stream_;
    std::string user_;
    core::ConnectionId id_;
    amqp::FrameReader reader_;
    Outbox outbox_;
    // Where the next read begins. With room of its own for small frames, waiting and reading are one
    // call of the system less, and a connection that waits still needs no chunk.
    std::array<std::byte, 1024> first_bytes_;
    std::unique_ptr<Handshake> handshake_;
    std::optional<ContentAssembler> assembler_;
    Duration heartbeat_{0};
    std::uint32_t frame_max_ = 0;

    bool is_touched_ = false;
    bool is_running_ = false;     // open, until finish()
    bool is_finishing_ = false;   // waits for its handlers to come back
    bool is_reading_ = false;     // inside read_what_is_there()
    bool awaits_input_ = false;   // its handler is armed
    bool awaits_space_ = false;   // its handler is armed
    bool writer_is_busy_ = false; // the socket was full
    bool is_lost_ = false;        // the socket failed or was ended by the other side
    bool is_closed_ = false;      // close and close-ok were exchanged
    bool saw_closing_ = false;
    bool has_violated_ = false;    // the core closes; what follows is not for it
    bool asked_to_close_ = false;  // the client said connection.close
    bool waits_for_inlet_ = false; // Connections::resume() will come
    bool stops_at_publish_ = false; // what the reader holds begins with a publish that has to wait
    bool has_no_frames_ = false;   // the bytes lost their structure; the rest is thrown away
    std::uint8_t silent_halves_ = 0;
    std::uint32_t handlers_ = 0; // that will come back
    std::uint64_t held_bytes_ = 0; // as noted
    std::uint64_t reads_ = 0;
    std::uint64_t writes_ = 0;
    std::uint64_t received_bytes_ = 0;
    std::uint64_t sent_bytes_ = 0;
    std::uint64_t reads_seen_ = 0; // by watch()
    std::uint64_t writes_seen_ = 0;
    std::uint64_t writes_acknowledged_ = 0; // at the last read that got no answer
    std::uint64_t writes_when_asked_ = 0;   // when acknowledges_soon_ became true
    bool acknowledges_soon_ = false;
    unsigned answered_in_a_row_ = 0; // reads whose answer made asking needless

    baton::net::asio::steady_timer watch_timer_;
    baton::net::Wakeup over_;
};

} // namespace baton::broker::net
