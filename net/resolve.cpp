// See resolve.hpp.
#include "net/resolve.hpp"

#include "base/mailbox.hpp"
#include "base/run_aside.hpp"
#include "net/wakeup.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include <netdb.h>

namespace baton::net {

namespace {

using asio::ip::tcp;
using Found = Outcome<std::vector<tcp::endpoint>>;

// What a name takes that is near, and what does not matter beside one that is far.
constexpr Duration look_min = std::chrono::milliseconds(1);
constexpr Duration look_max = std::chrono::milliseconds(16);

Found look_up(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0)
        return Failure{ErrorCode(error, asio::error::get_addrinfo_category()), ::gai_strerror(error)};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, ::freeaddrinfo);
    std::vector<tcp::endpoint> all;
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
        tcp::endpoint endpoint;
        if (one->ai_addrlen > endpoint.capacity()) continue;
        endpoint.resize(one->ai_addrlen);
        std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
        endpoint.port(port);
        all.push_back(endpoint);
    }
    return all;
}

} // namespace

Awaitable<Outcome<std::vector<tcp::endpoint>>> resolve(std::string host, std::uint16_t port) {
    // Looked into instead of being told: who is told must be alive then.
    const auto answers = std::make_shared<Mailbox<Found>>();
    run_aside("resolve", [answers, host, port] { answers->put(look_up(host, port)); });
    for (Duration pause = look_min;; pause = std::min(pause * 2, look_max)) {
        auto arrived = answers->take_now();
        if (!arrived.empty()) co_return std::move(arrived.front());
        if (!co_await sleep_for(pause))
            co_return Failure{make_error_code(boost::system::errc::operation_canceled), "no longer wanted"};
    }
}

} // namespace baton::net
