// Packets of every kind with random content, such as the version can say. From a seed, so that a
// failure can be repeated.
#pragma once

#include "mqtt/packet.hpp"
#include "mqtt/properties.hpp"
#include "mqtt/reason.hpp"

#include <array>
#include <deque>
#include <random>
#include <string>

namespace baton::mqtt::test {

class SomePackets {
public:
    explicit SomePackets(unsigned seed) : random_(seed) {}

    // Valid until forget().
    Packet next(Version version) {
        const bool is_v5 = version == Version::v5;
        switch (below(is_v5 ? 12 : 11)) {
        case 0:
            return connect(version);
        case 1:
            return connect_ack(version);
        case 2:
            return publish(version);
        case 3:
            return acknowledgement(version);
        case 4:
            return subscribe(version);
        case 5:
            return subscribe_ack(version);
        case 6:
            return unsubscribe(version);
        case 7:
            return unsubscribe_ack(version);
        case 8:
            return PingRequest{};
        case 9:
            return PingResponse{};
        case 10:
            if (!is_v5) return Disconnect{};
            return Disconnect{code(Carrier::disconnect), properties(Carrier::disconnect)};
        default: {
            Auth auth{code(Carrier::auth), properties(Carrier::auth)};
            auth.properties.authentication_method = text();
            return auth;
        }
        }
    }
    void forget() { texts_.clear(); }

    Publish publish(Version version) {
        Publish it;
        it.qos = static_cast<std::uint8_t>(below(3));
        it.dup = it.qos != 0 && coin();
        it.retain = coin();
        if (it.qos != 0) it.id = id();
        if (version == Version::v5) it.properties = properties(Carrier::publish);
        if (!it.properties.topic_alias || coin()) it.topic = topic();
        it.payload = bytes();
        return it;
    }

    std::size_t below(std::size_t bound) { return random_() % bound; }
    bool coin() { return below(2) == 0; }

    std::string_view text() {
        static constexpr std::array<std::string_view, 9> pieces{
            "a", "temperature",      "\x01",         "\x7f", "ä",
            "€", "\xF0\xAA\x9B\x94", "\xEF\xBB\xBF", "#+$/"};
        std::string text;
        for (std::size_t i = below(6); i > 0; --i)
            text += pieces[below(pieces.size())];
        if (below(3000) == 0) text.assign(UINT16_MAX, 'x');
        return keep(std::move(text));
    }
    std::string_view topic() {
        static constexpr std::array<std::string_view, 7> pieces{"/", "a", "sport", "$SYS",
                                                                "ä", ".", "*"};
        std::string text(pieces[below(pieces.size())]);
        for (std::size_t i = below(6); i > 0; --i)
            text += pieces[below(pieces.size())];
        return keep(std::move(text));
    }
    std::string_view filter() {
        static constexpr std::array<std::string_view, 6> levels{"", "a", "+", "$SYS", "ä", "b.c"};
        std::string text = below(4) == 0 ? "$share/group/a" : "a";
        for (std::size_t i = below(5); i > 0; --i)
            text.append("/").append(levels[below(levels.size())]);
        if (coin()) text += "/#";
        return keep(std::move(text));
    }
    ByteView bytes() {
        std::string some;
        for (std::size_t i = below(12); i > 0; --i)
            some.push_back(static_cast<char>(random_()));
        return as_bytes(keep(std::move(some)));
    }

private:
    std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
    std::uint16_t id() { return static_cast<std::uint16_t>(1 + below(UINT16_MAX)); }
    ReasonCode code(Carrier carrier) {
        while (true)
            if (const auto code = static_cast<ReasonCode>(below(256)); may_carry(carrier, code))
                return code;
    }

    void fill(const PropertyRule&, Carrier, std::optional<std::string_view>& value) {
        value = text();
    }
    void fill(const PropertyRule&, Carrier, std::optional<ByteView>& value) { value = bytes(); }
    void fill(const PropertyRule&, Carrier, std::optional<bool>& value) { value = coin(); }
    template <typename Number>
    void fill(const PropertyRule& rule, Carrier, std::optional<Number>& value) {
        value = number<Number>(rule);
    }
    void fill(const PropertyRule& rule, Carrier carrier, std::vector<std::uint32_t>& numbers) {
        for (std::size_t i = carrier == Carrier::publish ? 1 + below(4) : 1; i > 0; --i)
            numbers.push_back(number<std::uint32_t>(rule));
    }
    void fill(const PropertyRule&, Carrier,
              std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
        for (std::size_t i = 1 + below(4); i > 0; --i) {
            const std::string_view name = text();
            pairs.emplace_back(name, text());
        }
    }
    template <typename Number>
    Number number(const PropertyRule& rule) {
        const std::uint64_t most =
            std::min<std::uint64_t>(rule.most, std::numeric_limits<Number>::max());
        switch (below(3)) {
        case 0:
            return static_cast<Number>(rule.least);
        case 1:
            return static_cast<Number>(most);
        default:
            return static_cast<Number>(rule.least + below(most - rule.least + 1));
        }
    }
    Properties properties(Carrier carrier) {
        Properties properties;
        if (below(3) == 0) return properties;
        const std::size_t rarity = 1 + below(6);
        each_property(properties, [&](auto rule, auto& value) {
            if (rule().carriers.contains(carrier) && below(rarity) == 0)
                fill(rule(), carrier, value);
        });
        if (properties.response_topic) properties.response_topic = topic();
        if (properties.authentication_data) properties.authentication_method = text();
        return properties;
    }

    Connect connect(Version version) {
        const bool is_v5 = version == Version::v5;
        Connect it;
        it.version = version;
        it.clean_start = coin();
        it.keep_alive_seconds = static_cast<std::uint16_t>(below(65536));
        it.client_id = text();
        if (it.client_id.empty() && !is_v5) it.client_id = "id";
        if (coin()) {
            Will& will = it.will.emplace();
            will.topic = topic();
            will.payload = bytes();
            will.qos = static_cast<std::uint8_t>(below(3));
            will.retain = coin();
            if (is_v5) will.properties = properties(Carrier::will);
        }
        if (coin()) it.user = text();
        if (coin() && (is_v5 || it.user)) it.password = bytes();
        if (is_v5) it.properties = properties(Carrier::connect);
        return it;
    }
    ConnectAck connect_ack(Version version) {
        static constexpr std::array old_codes{ReasonCode::success,
                                              ReasonCode::unsupported_protocol_version,
                                              ReasonCode::client_identifier_not_valid,
                                              ReasonCode::server_unavailable,
                                              ReasonCode::bad_user_name_or_password,
                                              ReasonCode::not_authorized};
        ConnectAck it;
        const bool is_v5 = version == Version::v5;
        it.code = is_v5 ? code(Carrier::connack) : old_codes[below(old_codes.size())];
        it.session_present = version != Version::v3_1 && it.code == ReasonCode::success && coin();
        if (is_v5) it.properties = properties(Carrier::connack);
        return it;
    }
    Acknowledgement acknowledgement(Version version) {
        Acknowledgement it;
        const auto type = static_cast<Carrier>(4 + below(4));
        it.kind = static_cast<Acknowledgement::Kind>(type);
        it.id = id();
        if (version == Version::v5) {
            it.code = code(type);
            it.properties = properties(type);
        }
        return it;
    }
    Subscribe subscribe(Version version) {
        const bool is_v5 = version == Version::v5;
        Subscribe it;
        it.id = id();
        if (is_v5) it.properties = properties(Carrier::subscribe);
        for (std::size_t i = 1 + below(3); i > 0; --i) {
            Subscribe::Wish wish;
            wish.filter = filter();
            wish.qos = static_cast<std::uint8_t>(below(3));
            if (is_v5) {
                wish.no_local = !wish.filter.starts_with("$share/") && coin();
                wish.retain_as_published = coin();
                wish.retain_handling = static_cast<std::uint8_t>(below(3));
            }
            it.wishes.push_back(wish);
        }
        return it;
    }
    SubscribeAck subscribe_ack(Version version) {
        static constexpr std::array old_codes{ReasonCode::success, ReasonCode::granted_qos_1,
                                              ReasonCode::granted_qos_2,
                                              ReasonCode::unspecified_error};
        const bool is_v5 = version == Version::v5;
        SubscribeAck it;
        it.id = id();
        if (is_v5) it.properties = properties(Carrier::suback);
        for (std::size_t i = 1 + below(3); i > 0; --i)
            it.codes.push_back(is_v5 ? code(Carrier::suback) : old_codes[below(old_codes.size())]);
        return it;
    }
    Unsubscribe unsubscribe(Version version) {
        Unsubscribe it;
        it.id = id();
        if (version == Version::v5) it.properties = properties(Carrier::unsubscribe);
        for (std::size_t i = 1 + below(3); i > 0; --i)
            it.filters.push_back(filter());
        return it;
    }
    UnsubscribeAck unsubscribe_ack(Version version) {
        UnsubscribeAck it;
        it.id = id();
        if (version != Version::v5) return it;
        it.properties = properties(Carrier::unsuback);
        for (std::size_t i = 1 + below(3); i > 0; --i)
            it.codes.push_back(code(Carrier::unsuback));
        return it;
    }

    std::mt19937 random_;
    std::deque<std::string> texts_;
};

} // namespace baton::mqtt::test
