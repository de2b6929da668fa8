#include "random_life.hpp"

#include <fmt/format.h>

namespace baton::broker::core {

std::string RandomLife::queue() { return fmt::format("q{}", pick(0, 4)); }
std::string RandomLife::exchange() { return fmt::format("x{}", pick(0, 2)); }
std::string RandomLife::type() { return pick(0, 1) ? "topic" : "fanout"; }

std::string RandomLife::line() {
    const std::string on = fmt::format(" ch={}.{}", pick(1, 3), pick(1, 2));
    const std::string q = queue();
    switch (pick(0, 45)) {
    case 0:
    case 1: return "queue " + q + arguments() + on;
    case 2: return fmt::format("bind {} {} k{}{}", q, exchange(), pick(0, 2), on);
    case 3: return fmt::format("unbind {} {} k{}{}", q, exchange(), pick(0, 2), on);
    case 4: return fmt::format("exchange {} {} {}{}", exchange(), type(),
                               pick(0, 1) ? "durable" : "auto-delete", on);
    case 5: return pick(0, 4) == 0 ? "delete-exchange " + exchange() + on : "wait 0.1";
    case 6: return pick(0, 4) == 0 ? "delete-queue " + q + on : "wait 0.05";
    case 7: return pick(0, 2) == 0 ? "purge " + q + on : "wait 1";
    case 8: return fmt::format("consume {} tag=t{}{}{}", q, pick(0, 2),
                               pick(0, 2) == 0 ? " no-ack" : "", on);
    case 9: return fmt::format("cancel t{}{}", pick(0, 2), on);
    case 10: return "get " + q + (pick(0, 1) ? " no-ack" : "") + on;
    case 11:
    case 12: return fmt::format("ack {}{}{}", pick(1, 20), pick(0, 1) ? " multiple" : "", on);
    case 13: return fmt::format("nack {}{}{}{}", pick(0, 20), pick(0, 1) ? " multiple" : "",
                                pick(0, 1) ? " drop" : "", on);
    case 14: return pick(0, 3) == 0 ? "recover" + on : "close-ok" + on;
    case 15: return pick(0, 2) == 0 ? "tx-select" + on : "close-ok" + on;
    case 16: return pick(0, 1) == 0 ? "tx-commit" + on : "close" + on;
    case 17: return pick(0, 3) == 0 ? fmt::format("lost ch={}", pick(1, 3)) : "wait 0.01";
    case 18: return fmt::format("qos {}{}", pick(0, 3), on);
    case 19: return pick(0, 3) == 0 ? "seal" : "close-ok" + on;
    case 21: return "exchange later x-delayed-message durable x-delayed-type=fanout" + on;
    case 22: return fmt::format("bind {} later _{}", q, on);
    case 23: return fmt::format("publish exchange=later key=k persistent x-delay={} \"d\"{}",
                                pick(0, 3000), on);
    case 20: return fmt::format("publish exchange={} key=k{} persistent mandatory \"e\"{}",
                                exchange(), pick(0, 2), on);
    case 24: return policy();
    case 25: return fmt::format("remove-policy p{}{}", pick(0, 2), pick(0, 2) ? "" : " operator");
    case 26:
        return pick(0, 3) == 0 ? fmt::format("limit-vhost / queues={}", pick(2, 9))
                               : "limit-vhost /";
    case 27:
        return pick(0, 3) == 0 ? fmt::format("limit-user guest channels={}", pick(3, 7))
                               : "limit-user guest";
    case 28: return pick(0, 5) == 0 ? "admin delete-queue " + q + " if-unused" : "admin purge " + q;
    case 29: return "admin queue " + q + " x-max-length=4";
    case 37: return pick(0, 1) == 0 ? "confirm" + on : "tx-rollback" + on;
    case 38:
        return fmt::format("alarm {} {}", pick(0, 1) ? "memory" : "disk", pick(0, 2) ? "off" : "on");
    case 39: return fmt::format("written {} ch={}", pick(0, 500), pick(1, 3));
    case 41: return "queue stream durable x-queue-type=stream x-max-length-bytes=30" + on;
    case 42: return fmt::format("bind stream {} k{}{}", exchange(), pick(0, 2), on);
    case 43: return fmt::format("consume stream offset=first tag=t{}{}", pick(0, 2), on);
    case 44: return pick(0, 4) == 0 ? "delete-queue stream" + on : "publish key=stream \"s\"" + on;
    default:
        return fmt::format("publish key={}{}{} times={} \"m{}\"{}", q,
                           pick(0, 3) ? " persistent" : "",
                           pick(0, 5) == 0 ? fmt::format(" ttl={}", pick(0, 2000)) : "",
                           pick(1, 5), count_++, on);
    }
}

std::string RandomLife::policy() {
    const std::string name = fmt::format("put-policy p{} ^[qx]{} priority={}", pick(0, 2),
                                         pick(0, 1) ? "" : fmt::format("[{}-4]", pick(0, 4)),
                                         pick(0, 3));
    switch (pick(0, 8)) {
    case 0: return name + fmt::format(" max-length={}", pick(0, 6));
    case 1: return name + " max-length=2 overflow=reject-publish";
    case 2: return name + " dead-letter-exchange=x2 message-ttl=300";
    case 3: return name + " alternate-exchange=x1 apply-to=exchanges";
    case 4: return name + " expires=700";
    case 5: return name + " delivery-limit=1 apply-to=quorum_queues";
    case 6: return name + " max-length-bytes=9 dead-letter-exchange= dead-letter-routing-key=q1";
    case 7: return name + fmt::format(" operator max-length={}", pick(1, 5));
    default: return name + " operator message-ttl=800 expires=1500";
    }
}

// By name, so that declaring again mostly agrees.
std::string RandomLife::arguments() {
    switch (pick(0, 11)) {
    case 0: return " durable x-message-ttl=500 x-dead-letter-exchange= "
                   "x-dead-letter-routing-key=q0";
    case 1: return " durable x-max-length=3 x-dead-letter-exchange=x1";
    case 2: return " durable x-max-priority=3";
    case 3: return " durable x-queue-type=quorum x-delivery-limit=2 x-dead-letter-exchange=x0";
    case 4: return " auto-delete";
    case 5: return " durable auto-delete x-expires=900";
    case 6: return " exclusive";
    case 7: return " durable x-consumer-timeout=200 x-max-length=5";
    case 9: return " durable x-queue-type=quorum x-overflow=reject-publish x-max-length=4 "
                   "x-dead-letter-strategy=at-least-once x-dead-letter-exchange=x0";
    case 8: return " durable x-single-active-consumer=true";
    default: return " durable";
    }
}

} // namespace baton::broker::core
