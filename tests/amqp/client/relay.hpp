// A wire between client and broker that tests can freeze and cut. One connection at a time; lives
// on the event loop of the test.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <cstdint>
#include <memory>

namespace baton::tests {

class Relay {
public:
    Relay(boost::asio::io_context& context, std::uint16_t target_port);
    ~Relay();

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    // Nothing goes through any more, but nobody is told.
    void freeze() { is_frozen_ = true; }
    // The client hears nothing any more; the broker still does.
    void mute_broker() { is_muted_ = true; }
    // Ends the present connection; the next one is accepted.
    void cut();
    int connections() const { return connections_; }

private:
    struct Pair;
    void accept();

    boost::asio::io_context& context_;
    boost::asio::ip::tcp::acceptor acceptor_;
    std::uint16_t target_port_;
    std::shared_ptr<Pair> pair_;
    bool is_frozen_ = false;
    bool is_muted_ = false;
    int connections_ = 0;
};

} // namespace baton::tests
