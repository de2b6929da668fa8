// Parsing by hand: a list of hosts is not a URL as the standard has them.
#include "amqp/client/endpoint.hpp"

#include "amqp/client/errors.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace baton::amqp::client {

namespace {

Failure bad(std::string what) {
    return {Errc::bad_url, "bad AMQP URL: " + std::move(what)};
}

std::optional<int> hex_digit(char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
    return std::nullopt;
}

// Nothing when a percent sign is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t place = 0; place < text.size(); ++place) {
        if (text[place] != '%') {
            decoded += text[place];
            continue;
        }
        if (place + 2 >= text.size()) return std::nullopt;
        const auto high = hex_digit(text[place + 1]);
        const auto low = hex_digit(text[place + 2]);
        if (!high || !low) return std::nullopt;
        decoded += static_cast<char>(*high * 16 + *low);
        place += 2;
    }
    return decoded;
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty())
        return std::nullopt;
    return value;
}

// The part before `mark`, which is removed from `rest` together with the mark; everything if there
// is no mark.
std::string_view take_until(std::string_view& rest, char mark) {
    const std::size_t place = rest.find(mark);
    const std::string_view part = rest.substr(0, place);
    rest = place == std::string_view::npos ? std::string_view{} : rest.substr(place + 1);
    return part;
}

Outcome<void> parse_login(std::string_view login, Endpoint& endpoint) {
    const bool has_password = login.find(':') != std::string_view::npos;
    const auto user = percent_decoded(take_until(login, ':'));
    const auto password = percent_decoded(login);
    if (!user || !password) return bad("bad percent-encoding in user or password");
    endpoint.user = *user;
    endpoint.password.text = has_password ? *password : std::string();
    return {};
}

Outcome<HostPort> parse_host(std::string_view text, std::uint16_t usual_port) {
    HostPort place;
    place.port = usual_port;
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return bad("'[' without ']'");
        place.host = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
        if (!text.empty() && !text.starts_with(':')) return bad("something follows ']'");
        if (!text.empty()) port = text.substr(1);
        if (text == ":") return bad("the port is missing behind ':'");
    } else {
        const bool has_port = text.find(':') != std::string_view::npos;
        const auto host = percent_decoded(take_until(text, ':'));
        if (!host) return bad("bad percent-encoding in host");
        if (!host->empty()) place.host = *host;
        port = text;
        if (has_port && port.empty()) return bad("the port is missing behind ':'");
    }
    if (port.empty()) return place;
    const auto value = number<std::uint16_t>(port);
    if (!value || *value == 0) return bad(fmt::format("'{}' is not a port", port));
    place.port = *value;
    return place;
}

Outcome<void> parse_hosts(std::string_view text, Endpoint& endpoint) {
    endpoint.hosts.clear();
    do {
        auto place = parse_host(take_until(text, ','), endpoint.has_tls ? 5671 : 5672);
        if (!place) return place.error();
        endpoint.hosts.push_back(std::move(*place));
    } while (!text.empty());
    return {};
}

Outcome<void> set_tls_option(std::string_view name, std::string_view value, Endpoint& endpoint) {
    const auto wrong = [name, value] {
        return bad(fmt::format("'{}' is no value for '{}'", value, name));
    };
    const auto text = percent_decoded(value);
    std::string* place = nullptr;
    if (name == "cacertfile")
        place = &endpoint.tls.authorities;
    else if (name == "certfile")
        place = &endpoint.tls.certificate;
    else if (name == "keyfile")
        place = &endpoint.tls.key;
    else if (name == "server_name_indication")
        place = &endpoint.server_name;
    else if (name != "verify" && name != "auth_mechanism")
        return bad(fmt::format("unknown option '{}'; known are heartbeat, connection_timeout, "
                               "frame_max, channel_max, name, and for amqps:// cacertfile, certfile, "
                               "keyfile, verify, server_name_indication, auth_mechanism",
                               name));
    if (!endpoint.has_tls) return bad(fmt::format("'{}' needs amqps://", name));
    if (!text || text->empty()) return wrong();
    if (place != nullptr) {
        *place = *text;
    } else if (name == "verify") {
        if (*text != "verify_peer" && *text != "verify_none") return wrong();
        endpoint.tls.verifies_peer = *text == "verify_peer";
    } else {
        if (*text != "plain" && *text != "external") return wrong();
        endpoint.logs_in_by_certificate = *text == "external";
    }
    return {};
}

Outcome<void> set_option(std::string_view name, std::string_view value, Endpoint& endpoint) {
    const auto wrong = [name, value] {
        return bad(fmt::format("'{}' is no value for '{}'", value, name));
    };
    if (name == "heartbeat") {
        const auto seconds = number<std::uint16_t>(value);
        if (!seconds) return wrong();
        endpoint.heartbeat_seconds = *seconds;
    } else if (name == "connection_timeout") {
        const auto seconds = number<std::uint16_t>(value);
        if (!seconds || *seconds == 0) return wrong();
        endpoint.connection_timeout = std::chrono::seconds(*seconds);
    } else if (name == "frame_max") {
        const auto bytes = number<std::uint32_t>(value);
        if (!bytes || (*bytes != 0 && *bytes < frame_bytes_min)) return wrong();
        endpoint.frame_max = *bytes;
    } else if (name == "channel_max") {
        const auto count = number<std::uint16_t>(value);
        if (!count) return wrong();
        endpoint.channel_max = *count;
    } else if (name == "name") {
        const auto text = percent_decoded(value);
        if (!text) return wrong();
        endpoint.connection_name = *text;
    } else {
        return set_tls_option(name, value, endpoint);
    }
    return {};
}

Outcome<void> parse_query(std::string_view query, Endpoint& endpoint) {
    while (!query.empty()) {
        std::string_view value = take_until(query, '&');
        const std::string_view name = take_until(value, '=');
        if (auto set = set_option(name, value, endpoint); !set) return set;
    }
    return {};
}

} // namespace

Outcome<Endpoint> parse_url(std::string_view url) {
    constexpr std::string_view plain = "amqp://";
    constexpr std::string_view secure = "amqps://";
    Endpoint endpoint;
    endpoint.has_tls = url.starts_with(secure);
    endpoint.tls.verifies_peer = endpoint.has_tls;
    if (!endpoint.has_tls && !url.starts_with(plain))
        return bad("it must begin with amqp:// or amqps://");
    url.remove_prefix(endpoint.has_tls ? secure.size() : plain.size());
    const std::size_t question = url.find('?');
    const std::string_view query =
        question == std::string_view::npos ? std::string_view{} : url.substr(question + 1);
    url = url.substr(0, question);
    const std::size_t slash = url.find('/');
    std::string_view authority = url.substr(0, slash);
    if (slash != std::string_view::npos) {
        const auto virtual_host = percent_decoded(url.substr(slash + 1));
        if (!virtual_host) return bad("bad percent-encoding in the virtual host");
        // "amqp://host/" is what people write when they mean the default.
        if (!virtual_host->empty()) endpoint.virtual_host = *virtual_host;
        if (endpoint.virtual_host.size() > 255) return bad("the virtual host's name is too long");
    }
    // The last '@': a careless password may contain one.
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        if (auto login = parse_login(authority.substr(0, at), endpoint); !login)
            return login.error();
        authority.remove_prefix(at + 1);
    }
    if (auto hosts = parse_hosts(authority, endpoint); !hosts) return hosts.error();
    if (auto options = parse_query(query, endpoint); !options) return options.error();
    if (endpoint.tls.certificate.empty() != endpoint.tls.key.empty())
        return bad("certfile and keyfile belong together");
    if (endpoint.logs_in_by_certificate && endpoint.tls.certificate.empty())
        return bad("auth_mechanism=external needs certfile and keyfile");
    return endpoint;
}

std::string to_text(const Endpoint& endpoint) {
    std::string text = (endpoint.has_tls ? "amqps://" : "amqp://") + endpoint.user + "@";
    for (const HostPort& place : endpoint.hosts)
        text += fmt::format("{}{}:{}", &place == endpoint.hosts.data() ? "" : ",", place.host,
                            place.port);
    // The default virtual host "/" needs no path.
    if (endpoint.virtual_host != "/") text += "/" + endpoint.virtual_host;
    return text;
}

} // namespace baton::amqp::client
