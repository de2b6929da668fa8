// Two sockets, two pumps.
#include "tests/amqp/client/relay.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

namespace baton::tests {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct Relay::Pair : std::enable_shared_from_this<Relay::Pair> {
    Pair(tcp::socket client, asio::io_context& context, Relay& owner)
        : near(std::move(client)), far(context), relay(&owner) {}

    void pump(tcp::socket& from, tcp::socket& to, std::array<char, 65536>& space) {
        from.async_read_some(asio::buffer(space), [self = shared_from_this(), &from, &to,
                                                   &space](error_code error, std::size_t count) {
            if (error) return self->close();
            // Swallowed: to both sides the other one looks dead.
            if (self->swallows(from)) return self->pump(from, to, space);
            asio::async_write(to, asio::buffer(space, count),
                              [self, &from, &to, &space](error_code failed, std::size_t) {
                                  if (failed) return self->close();
                                  self->pump(from, to, space);
                              });
        });
    }
    bool swallows(const tcp::socket& from) const {
        return relay->is_frozen_ || (relay->is_muted_ && &from == &far);
    }
    void close() {
        error_code ignored;
        near.close(ignored);
        far.close(ignored);
    }

    tcp::socket near;
    tcp::socket far;
    Relay* relay;
    std::array<char, 65536> forth;
    std::array<char, 65536> back;
};

Relay::Relay(asio::io_context& context, std::uint16_t target_port)
    : context_(context),
      acceptor_(context, {asio::ip::address_v4::loopback(), 0}),
      target_port_(target_port) {
    accept();
}

Relay::~Relay() {
    cut();
}

void Relay::accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket client) {
        if (error) return;
        ++connections_;
        pair_ = std::make_shared<Pair>(std::move(client), context_, *this);
        error_code failed;
        pair_->far.connect({asio::ip::address_v4::loopback(), target_port_}, failed);
        if (failed) {
            pair_->close();
        } else {
            pair_->pump(pair_->near, pair_->far, pair_->forth);
            pair_->pump(pair_->far, pair_->near, pair_->back);
        }
        accept();
    });
}

void Relay::cut() {
    if (pair_ != nullptr) pair_->close();
}

} // namespace baton::tests
