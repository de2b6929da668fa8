#include "server/config.hpp"

#include "amqp/client/endpoint.hpp"
#include "base/base64.hpp"
#include "base/duration_text.hpp"
#include "base/json_text.hpp"
#include "base/named_file.hpp"
#include "broker/core/access.hpp"
#include "broker/core/names.hpp"
#include "db/database_url.hpp"
#include "mqtt/topic.hpp"
#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/toml_document.hpp"
#include "web/access/login.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <optional>
#include <unistd.h>
#include <utility>

namespace baton::server {

using orchestrator::definition::did_you_mean;
using orchestrator::definition::Position;
using orchestrator::definition::TomlEntry;
using orchestrator::definition::TomlNode;

std::string database_url(const Config& config) {
    return config.database_url.empty() ? "sqlite:" + config.data + "/baton.sqlite" : config.database_url;
}

std::optional<Address> parse_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    Address address;
    address.host = std::string(text.substr(0, colon));
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']')
        address.host = address.host.substr(1, address.host.size() - 2);
    const auto digits = text.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return address;
}

namespace {

// One setting: where it stands in the file, which variable overrides it, how a text becomes it.
// `apply` returns what is expected when the text is not that.
struct Setting {
    std::string_view key;
    std::string_view variable;
    std::function<std::optional<std::string>(Config&, const std::string&)> apply;
};

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        std::string part(text.substr(0, end));
        while (!part.empty() && part.front() == ' ') part.erase(0, 1);
        while (!part.empty() && part.back() == ' ') part.pop_back();
        if (!part.empty()) parts.push_back(std::move(part));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

auto text_into(std::string Config::* member) {
    return [member](Config& config, const std::string& text) -> std::optional<std::string> {
        config.*member = text;
        return std::nullopt;
    };
}

auto number_into(unsigned Config::* member, unsigned least, unsigned most) {
    return [=](Config& config, const std::string& text) -> std::optional<std::string> {
        unsigned number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most)
            return fmt::format("a whole number from {} to {}", least, most);
        config.*member = number;
        return std::nullopt;
    };
}

auto addresses_into(std::vector<Address> Config::* member, unsigned usual_port) {
    return [=](Config& config, const std::string& text) -> std::optional<std::string> {
        (config.*member).clear();
        for (const auto& part : split(text, ',')) {
            const auto address = parse_address(part);
            if (!address) return fmt::format("host:port, for example \"127.0.0.1:{}\"", usual_port);
            (config.*member).push_back(*address);
        }
        return std::nullopt;
    };
}

// --- TLS ---

auto tls_text_into(std::string net::TlsOptions::* member) {
    return [member](Config& config, const std::string& text) -> std::optional<std::string> {
        config.broker_tls.files.*member = text;
        return std::nullopt;
    };
}

auto http_tls_text_into(std::string net::TlsOptions::* member) {
    return [member](Config& config, const std::string& text) -> std::optional<std::string> {
        config.http_tls.*member = text;
        return std::nullopt;
    };
}

std::optional<std::string> set_http_tls_version_min(Config& config, const std::string& text) {
    if (text != "1.2" && text != "1.3") return "\"1.2\" or \"1.3\"";
    config.http_tls.refuses_tls_1_2 = text == "1.3";
    return std::nullopt;
}

std::optional<std::string> set_tls_verify(Config& config, const std::string& text) {
    if (text != "none" && text != "peer") return "none or peer";
    config.broker_tls.files.verifies_peer = text == "peer";
    return std::nullopt;
}

std::optional<std::string> set_tls_fail_if_no_peer_cert(Config& config, const std::string& text) {
    if (text != "true" && text != "false") return "true or false";
    config.broker_tls.files.needs_peer_certificate = text == "true";
    return std::nullopt;
}

std::optional<std::string> set_tls_version_min(Config& config, const std::string& text) {
    if (text != "1.2" && text != "1.3") return "\"1.2\" or \"1.3\"";
    config.broker_tls.files.refuses_tls_1_2 = text == "1.3";
    return std::nullopt;
}

std::optional<std::string> set_tls_login_from(Config& config, const std::string& text) {
    using Source = net::TlsNameSource;
    static const std::map<std::string, Source> sources{
        {"distinguished_name", Source::distinguished_name},
        {"common_name", Source::common_name},
        {"subject_alternative_name", Source::alternative_dns},
        {"subject_alternative_email", Source::alternative_email}};
    const auto found = sources.find(text);
    if (found == sources.end())
        return "one of distinguished_name, common_name, subject_alternative_name, "
               "subject_alternative_email";
    config.broker_tls.login_from = found->second;
    return std::nullopt;
}

std::optional<std::string> set_retention(Config& config, const std::string& text) {
    const auto duration = parse_duration(text);
    if (!duration || *duration < std::chrono::minutes(1)) return "a duration of a minute at least, such as \"90d\"";
    config.retention = duration;
    return std::nullopt;
}

// What only makes sense together. TLS is on as soon as there is a certificate.
void complete_tls(Config& config, std::vector<std::string>& complaints) {
    auto& files = config.broker_tls.files;
    const bool is_wanted = !config.broker_tls_listen.empty() || !files.key.empty() ||
                           !files.authorities.empty() || files.verifies_peer;
    if (!files.certificate.empty()) {
        if (files.key.empty())
            complaints.push_back("error: 'broker.tls.certificate' needs 'broker.tls.key' beside it");
        if (config.broker_tls_listen.empty()) config.broker_tls_listen = {{"127.0.0.1", 5671}};
    } else if (is_wanted) {
        complaints.push_back("error: 'broker.tls' needs 'broker.tls.certificate' and 'broker.tls.key', "
                             "the names of PEM files");
    }
    for (const auto& [list, name] : {std::pair(&config.websocket_tls_listen, "broker.websocket.tls_listen"),
                                     std::pair(&config.mqtt_tls_listen, "broker.mqtt.tls_listen"),
                                     std::pair(&config.mqtt_websocket_tls_listen, "broker.mqtt.websocket_tls_listen")})
        if (!list->empty() && files.certificate.empty())
            complaints.push_back(fmt::format("error: '{}' needs 'broker.tls.certificate' and 'broker.tls.key', the "
                                             "names of PEM files",
                                             name));
    if (config.http_tls.certificate.empty() != config.http_tls.key.empty())
        complaints.push_back("error: 'http.tls' needs both 'http.tls.certificate' and 'http.tls.key', the names of PEM files");
    if (files.verifies_peer && files.authorities.empty())
        complaints.push_back("error: 'broker.tls.verify' = \"peer\" needs 'broker.tls.ca', the PEM file of "
                             "the authority that signs the clients' certificates");
    if (files.needs_peer_certificate && !files.verifies_peer)
        complaints.push_back("error: 'broker.tls.fail_if_no_peer_cert' needs 'broker.tls.verify' = \"peer\"");
    if (config.broker_listen.empty() && config.broker_tls_listen.empty())
        complaints.push_back("error: 'broker.listen' must be host:port, for example \"127.0.0.1:5672\"; it may "
                             "be empty only beside 'broker.tls'");
}

// The complaints show no password.
void check_urls(const Config& config, std::vector<std::string>& complaints) {
    if (!config.broker_url.empty())
        if (const auto parsed = amqp::client::parse_url(config.broker_url); !parsed)
            complaints.push_back(fmt::format("error: 'broker.url' (BATON_BROKER_URL): {}; write amqp://user:password"
                                             "@host:5672/vhost",
                                             parsed.error().detail));
    if (!config.database_url.empty())
        if (const auto parsed = db::parse_database_url(config.database_url); !parsed)
            complaints.push_back(fmt::format("error: 'database.url' (BATON_DB_URL): {}", parsed.error().detail));
}

std::optional<std::string> set_http_listen(Config& config, const std::string& text) {
    const auto address = parse_address(text);
    if (!address) return "host:port, for example \"127.0.0.1:15672\"";
    config.http_listen = *address;
    return std::nullopt;
}

std::optional<std::string> set_metrics_listen(Config& config, const std::string& text) {
    config.metrics_listen = parse_address(text);
    config.metrics_must_listen = config.metrics_listen.has_value();
    if (!config.metrics_listen && !text.empty()) return "host:port, for example \"127.0.0.1:15692\", or empty for none";
    return std::nullopt;
}

std::optional<std::string> set_http_names(Config& config, const std::string& text) {
    config.http_names = split(text, ',');
    return std::nullopt;
}

auto mqtt_text_into(std::string broker::mqtt::Options::*member) {
    return [member](Config& config, const std::string& text) -> std::optional<std::string> {
        config.mqtt.*member = text;
        return std::nullopt;
    };
}

auto mqtt_filters_into(std::vector<std::string> broker::mqtt::Options::*member) {
    return [member](Config& config, const std::string& text) -> std::optional<std::string> {
        config.mqtt.*member = split(text, ',');
        for (const std::string& filter : config.mqtt.*member)
            if (!mqtt::is_filter(filter) || filter.size() > 255)
                return "topic filters of MQTT with commas between them, for example \"devices/+/alarm\"";
        return std::nullopt;
    };
}

std::optional<std::string> set_mqtt_session_expiry(Config& config, const std::string& text) {
    const auto duration = parse_duration(text);
    if (!duration || *duration < std::chrono::seconds(1) || *duration > std::chrono::hours(24 * 365))
        return "a duration between a second and a year, such as \"7d\"";
    config.mqtt.session_expiry_seconds_max =
        static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(*duration).count());
    return std::nullopt;
}

std::optional<std::string> set_mqtt_keepalive(Config& config, const std::string& text) {
    const auto duration = parse_duration(text);
    if (!duration || *duration < std::chrono::seconds(1) || *duration > std::chrono::seconds(UINT16_MAX))
        return "a duration between a second and 18 hours, such as \"10m\"";
    config.mqtt.keep_alive_seconds_max =
        static_cast<std::uint16_t>(std::chrono::duration_cast<std::chrono::seconds>(*duration).count());
    return std::nullopt;
}

std::optional<std::string> set_websocket_origins(Config& config, const std::string& text) {
    config.websocket_origins = split(text, ',');
    for (std::string& origin : config.websocket_origins) {
        if (origin == "*") continue;
        const auto scheme = origin.find("://");
        if (scheme == std::string::npos || scheme == 0 || origin.size() == scheme + 3 ||
            origin.find('/', scheme + 3) != std::string::npos)
            return "origins as browsers write them, for example \"https://shop.example\" or \"http://localhost:5173\"; or \"*\"";
    }
    return std::nullopt;
}

auto teller_workflow_into(Config::Teller Config::*teller) {
    return [teller](Config& config, const std::string& text) -> std::optional<std::string> {
        (config.*teller).workflow = text;
        return std::nullopt;
    };
}

auto teller_only_into(Config::Teller Config::*teller) {
    return [teller](Config& config, const std::string& text) -> std::optional<std::string> {
        (config.*teller).only = split(text, ',');
        return std::nullopt;
    };
}

// As a variable has it; in the file it is a table.
auto teller_with_into(Config::Teller Config::*teller) {
    return [teller](Config& config, const std::string& text) -> std::optional<std::string> {
        const auto with = read_json(text);
        if (!text.empty() && (!with || !with->is_object())) return "a JSON object, for example {\"to\":\"ops@example.org\"}";
        (config.*teller).with = text;
        return std::nullopt;
    };
}

std::optional<std::string> set_http_public_url(Config& config, const std::string& text) {
    const auto url = boost::urls::parse_uri(text);
    const bool is_ours = url && (url->scheme() == "http" || url->scheme() == "https") && !url->encoded_host().empty() &&
                         (url->encoded_path().empty() || url->encoded_path() == "/") && !url->has_query() && !url->has_fragment() &&
                         !url->has_userinfo();
    if (!text.empty() && !is_ours) return "where people reach the page, for example \"https://baton.example.org\"";
    config.http_public_url = text;
    while (config.http_public_url.ends_with('/'))
        config.http_public_url.pop_back();
    return std::nullopt;
}

void check_notify(const Config& config, std::vector<std::string>& complaints) {
    const auto is_half = [](const Config::Teller& teller) {
        return teller.workflow.empty() && (!teller.with.empty() || !teller.only.empty());
    };
    if (is_half(config.notify))
        complaints.push_back("error: 'notify' needs 'notify.workflow' (BATON_NOTIFY_WORKFLOW), the workflow that tells of failed runs");
    if (is_half(config.notify_approvals))
        complaints.push_back("error: 'notify.approvals' needs 'notify.approvals.workflow' (BATON_NOTIFY_APPROVALS_WORKFLOW), the workflow "
                             "that asks people");
    if (!config.notify_approvals.workflow.empty() && config.http_public_url.empty())
        complaints.push_back("error: 'notify.approvals' needs 'http.public_url' (BATON_HTTP_PUBLIC_URL), where people reach the page: the links lead there");
}

std::optional<std::string> set_trace_endpoint(Config& config, const std::string& text) {
    if (!text.empty() && !text.starts_with("http://") && !text.starts_with("https://"))
        return "the address of a collector that takes OTLP over HTTP, for example \"http://127.0.0.1:4318\", or empty for none";
    config.trace_endpoint = text;
    return std::nullopt;
}

std::optional<std::string> set_trace_headers(Config& config, const std::string& text) {
    config.trace_headers.clear();
    for (const auto& part : split(text, ',')) {
        const auto equals = part.find('=');
        if (equals == std::string::npos || equals == 0 || part.find_first_of("\r\n") != std::string::npos)
            return "name=value, with commas between several";
        config.trace_headers.push_back(part.substr(0, equals) + ": " + part.substr(equals + 1));
    }
    return std::nullopt;
}

std::optional<std::string> set_trace_ratio(Config& config, const std::string& text) {
    double ratio = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ratio);
    if (error != std::errc{} || end != text.data() + text.size() || !(ratio >= 0 && ratio <= 1)) return "a number from 0 to 1";
    config.trace_ratio = ratio;
    return std::nullopt;
}

std::optional<std::string> set_log_level(Config& config, const std::string& text) {
    static const std::map<std::string, log::Level> levels{{"debug", log::Level::debug},
                                                          {"info", log::Level::info},
                                                          {"warning", log::Level::warning},
                                                          {"error", log::Level::error},
                                                          {"off", log::Level::off}};
    const auto found = levels.find(text);
    if (found == levels.end()) return "one of debug, info, warning, error, off";
    config.log_level = found->second;
    return std::nullopt;
}

std::optional<std::string> set_log_format(Config& config, const std::string& text) {
    if (text != "text" && text != "json") return "one of text, json";
    config.log_format = text == "json" ? log::Format::json : log::Format::text;
    return std::nullopt;
}

// What workers need and no more, as in deploy/baton.toml, which explains it.
broker::PermissionOption worker_permissions() {
    return {.vhost = "/",
            .configure = R"(^(baton\.task\..+|baton\.(lock|note)\..+|amq\.gen-.+)$)",
            .write = R"(^(baton\.task\..+|baton\.(lock|note)\..+|baton\.(dead|announce)|amq\.default|amq\.gen-.+)$)",
            .read = R"(^(baton\.task|baton\.task\..+|baton\.(lock|note)\..+|baton\.control|amq\.gen-.+)$)"};
}

// The word behind a user of the variable, "/worker"; patterns have the separators in them, so they stand in
// the file. Cut off where it is one: a name may hold a slash.
std::optional<std::vector<broker::PermissionOption>> take_permissions(std::string& user) {
    using Permissions = std::vector<broker::PermissionOption>;
    const std::pair<std::string_view, Permissions> words[]{{"/worker", {worker_permissions()}}, {"/none", {}}};
    for (const auto& [word, permissions] : words)
        if (user.ends_with(word)) {
            user.resize(user.size() - word.size());
            return permissions;
        }
    if (user.ends_with("/all")) user.resize(user.size() - 4);
    return std::nullopt;
}

// "name:password,name[tag+tag]/worker:password" of BATON_BROKER_USERS. Only the first may leave its tags
// out and is an administrator then; any other without tags has messages and no more.
std::optional<std::string> set_users(Config& config, const std::string& text) {
    static constexpr const char* form =
        "name:password or name[tag+tag]/worker:password (or /none, /all), with commas between users";
    config.broker_users.clear();
    for (const auto& part : split(text, ',')) {
        const auto colon = part.find(':');
        if (colon == std::string::npos) return form;
        BrokerUser user;
        user.name = part.substr(0, colon);
        user.password = part.substr(colon + 1);
        user.permissions = take_permissions(user.name);
        const auto bracket = user.name.find('[');
        const bool has_tags = bracket != std::string::npos;
        if (user.name.empty() || bracket == 0 || (has_tags && !user.name.ends_with(']'))) return form;
        if (has_tags) {
            user.tags = split(user.name.substr(bracket + 1, user.name.size() - bracket - 2), '+');
            user.name.resize(bracket);
        } else if (config.broker_users.empty()) {
            user.tags = {"administrator"};
        }
        for (const auto& tag : user.tags)
            if (const auto trouble = web::tag_trouble(tag); !trouble.empty())
                return "name[tag+tag]:password with tags that give something: " + trouble;
        config.broker_users.push_back(std::move(user));
    }
    return std::nullopt;
}

std::optional<std::string> set_role(Config& config, const std::string& text) {
    if (text == "all")
        config.role = Role::all;
    else if (text == "orchestrator")
        config.role = Role::orchestrator;
    else if (text == "broker")
        config.role = Role::broker;
    else
        return "one of all, orchestrator, broker";
    return std::nullopt;
}

// What a role cannot do without, or has no use for.
void check_role(const Config& config, std::vector<std::string>& complaints) {
    if (config.role == Role::orchestrator && config.broker_url.empty())
        complaints.push_back("error: an orchestrator without a broker of its own needs one: set broker.url or BATON_BROKER_URL, "
                             "for example amqp://baton:secret@broker:5672/");
    if (config.role == Role::broker && !config.broker_url.empty())
        complaints.push_back("error: broker.url (BATON_BROKER_URL) names another broker, and the role broker makes this server one; "
                             "leave one of them out");
}

const std::vector<Setting>& settings() {
    static const std::vector<Setting> all{
        {"role", "BATON_ROLE", set_role},
        {"broker.listen", "BATON_BROKER_LISTEN", addresses_into(&Config::broker_listen, 5672)},
        {"broker.tls.listen", "BATON_BROKER_TLS_LISTEN", addresses_into(&Config::broker_tls_listen, 5671)},
        {"broker.tls.certificate", "BATON_BROKER_TLS_CERTIFICATE", tls_text_into(&net::TlsOptions::certificate)},
        {"broker.tls.key", "BATON_BROKER_TLS_KEY", tls_text_into(&net::TlsOptions::key)},
        {"broker.tls.key_password", "BATON_BROKER_TLS_KEY_PASSWORD", tls_text_into(&net::TlsOptions::key_password)},
        {"broker.tls.ca", "BATON_BROKER_TLS_CA", tls_text_into(&net::TlsOptions::authorities)},
        {"broker.tls.verify", "BATON_BROKER_TLS_VERIFY", set_tls_verify},
        {"broker.tls.fail_if_no_peer_cert", "BATON_BROKER_TLS_FAIL_IF_NO_PEER_CERT", set_tls_fail_if_no_peer_cert},
        {"broker.tls.version_min", "BATON_BROKER_TLS_VERSION_MIN", set_tls_version_min},
        {"broker.tls.login_from", "BATON_BROKER_TLS_LOGIN_FROM", set_tls_login_from},
        {"broker.websocket.listen", "BATON_BROKER_WEBSOCKET_LISTEN", addresses_into(&Config::websocket_listen, 15678)},
        {"broker.websocket.tls_listen", "BATON_BROKER_WEBSOCKET_TLS_LISTEN", addresses_into(&Config::websocket_tls_listen, 15677)},
        {"broker.websocket.origins", "BATON_BROKER_WEBSOCKET_ORIGINS", set_websocket_origins},
        {"broker.mqtt.listen", "BATON_BROKER_MQTT_LISTEN", addresses_into(&Config::mqtt_listen, 1883)},
        {"broker.mqtt.tls_listen", "BATON_BROKER_MQTT_TLS_LISTEN", addresses_into(&Config::mqtt_tls_listen, 8883)},
        {"broker.mqtt.websocket_listen", "BATON_BROKER_MQTT_WEBSOCKET_LISTEN", addresses_into(&Config::mqtt_websocket_listen, 15675)},
        {"broker.mqtt.websocket_tls_listen", "BATON_BROKER_MQTT_WEBSOCKET_TLS_LISTEN",
         addresses_into(&Config::mqtt_websocket_tls_listen, 15676)},
        {"broker.mqtt.vhost", "BATON_BROKER_MQTT_VHOST", mqtt_text_into(&broker::mqtt::Options::vhost)},
        {"broker.mqtt.exchange", "BATON_BROKER_MQTT_EXCHANGE", mqtt_text_into(&broker::mqtt::Options::exchange)},
        {"broker.mqtt.anonymous_user", "BATON_BROKER_MQTT_ANONYMOUS_USER", mqtt_text_into(&broker::mqtt::Options::anonymous_user)},
        {"broker.mqtt.events", "BATON_BROKER_MQTT_EVENTS", mqtt_filters_into(&broker::mqtt::Options::events)},
        {"broker.mqtt.commands", "BATON_BROKER_MQTT_COMMANDS", mqtt_filters_into(&broker::mqtt::Options::commands)},
        {"broker.mqtt.session_expiry_max", "BATON_BROKER_MQTT_SESSION_EXPIRY_MAX", set_mqtt_session_expiry},
        {"broker.mqtt.keepalive_max", "BATON_BROKER_MQTT_KEEPALIVE_MAX", set_mqtt_keepalive},
        {"broker.url", "BATON_BROKER_URL", text_into(&Config::broker_url)},
        {"broker.definitions", "BATON_BROKER_DEFINITIONS", text_into(&Config::definitions)},
        {"broker.server_product", "BATON_BROKER_SERVER_PRODUCT", text_into(&Config::server_product)},
        {"broker.server_version", "BATON_BROKER_SERVER_VERSION", text_into(&Config::server_version)},
        {"broker.io_threads", "BATON_BROKER_IO_THREADS", number_into(&Config::io_threads, 1, 64)},
        {"broker.memory_high_mib", "BATON_BROKER_MEMORY_HIGH_MIB",
         number_into(&Config::memory_high_mib, 16, 1U << 24)},
        {"http.listen", "BATON_HTTP_LISTEN", set_http_listen},
        {"http.tls.certificate", "BATON_HTTP_TLS_CERTIFICATE", http_tls_text_into(&net::TlsOptions::certificate)},
        {"http.tls.key", "BATON_HTTP_TLS_KEY", http_tls_text_into(&net::TlsOptions::key)},
        {"http.tls.key_password", "BATON_HTTP_TLS_KEY_PASSWORD", http_tls_text_into(&net::TlsOptions::key_password)},
        {"http.tls.version_min", "BATON_HTTP_TLS_VERSION_MIN", set_http_tls_version_min},
        {"metrics.listen", "BATON_METRICS_LISTEN", set_metrics_listen},
        {"http.names", "BATON_HTTP_NAMES", set_http_names},
        {"http.public_url", "BATON_HTTP_PUBLIC_URL", set_http_public_url},
        {"http.ui_folder", "BATON_UI_DIR", text_into(&Config::ui_folder)},
        {"data", "BATON_DATA", text_into(&Config::data)},
        {"database.url", "BATON_DB_URL", text_into(&Config::database_url)},
        {"workflows", "BATON_WORKFLOWS", text_into(&Config::workflows)},
        {"orchestrator.partitions", "BATON_PARTITIONS", number_into(&Config::partitions, 1, 1024)},
        {"orchestrator.run_mib_max", "BATON_RUN_MIB_MAX", number_into(&Config::run_mib_max, 1, 256)},
        {"orchestrator.family_runs_max", "BATON_FAMILY_RUNS_MAX", number_into(&Config::family_runs_max, 1, 100'000'000)},
        {"orchestrator.retention", "BATON_RETENTION", set_retention},
        {"orchestrator.secrets", "BATON_SECRETS", text_into(&Config::secrets)},
        {"orchestrator.runs_mib_max", "BATON_RUNS_MIB_MAX", number_into(&Config::runs_mib_max, 16, 1024 * 1024)},
        {"notify.workflow", "BATON_NOTIFY_WORKFLOW", teller_workflow_into(&Config::notify)},
        {"notify.with", "BATON_NOTIFY_WITH", teller_with_into(&Config::notify)},
        {"notify.only", "BATON_NOTIFY_ONLY", teller_only_into(&Config::notify)},
        {"notify.approvals.workflow", "BATON_NOTIFY_APPROVALS_WORKFLOW", teller_workflow_into(&Config::notify_approvals)},
        {"notify.approvals.with", "BATON_NOTIFY_APPROVALS_WITH", teller_with_into(&Config::notify_approvals)},
        {"notify.approvals.only", "BATON_NOTIFY_APPROVALS_ONLY", teller_only_into(&Config::notify_approvals)},
        {"trace.endpoint", "BATON_TRACE_ENDPOINT", set_trace_endpoint},
        {"trace.headers", "BATON_TRACE_HEADERS", set_trace_headers},
        {"trace.service", "BATON_TRACE_SERVICE", text_into(&Config::trace_service)},
        {"trace.ratio", "BATON_TRACE_RATIO", set_trace_ratio},
        {"log.level", "BATON_LOG_LEVEL", set_log_level},
        {"log.format", "BATON_LOG_FORMAT", set_log_format},
    };
    return all;
}

// Keys whose value is read from the file they name: broker.url_file, BATON_DB_URL_FILE, ...
bool may_come_from_file(std::string_view key) {
    return key == "broker.url" || key == "database.url" || key == "broker.tls.key_password" ||
           key == "http.tls.key_password" || key == "trace.headers";
}

// For "did you mean": every key of the file but those inside a [[broker.user]].
std::vector<std::string> known_keys() {
    std::vector<std::string> keys{"broker.user"};
    for (const Setting& setting : settings()) {
        keys.emplace_back(setting.key);
        if (may_come_from_file(setting.key)) keys.push_back(std::string(setting.key) + "_file");
    }
    return keys;
}

Outcome<std::string> read_secret(const std::string& path) {
    auto secret = read_named_file(path, settings_file_bytes_max);
    if (!secret) return secret;
    while (!secret->empty() && (secret->back() == '\n' || secret->back() == '\r')) secret->pop_back();
    return secret;
}

struct Reader {
    Config config;
    std::string file;
    std::vector<std::string> complaints;

    void complain(Position where, const std::string& text) {
        complaints.push_back(fmt::format("{}:{}:{}: error: {}", file, where.line, where.column, text));
    }

    static std::optional<std::string> text_of(const TomlNode& node) {
        switch (node.kind) {
        case TomlNode::Kind::text: return node.text;
        case TomlNode::Kind::integer: return fmt::format("{}", node.integer);
        case TomlNode::Kind::boolean: return node.boolean ? "true" : "false";
        case TomlNode::Kind::list: {
            if (!std::ranges::all_of(node.items, &TomlNode::is_text)) return std::nullopt;
            std::string joined;
            for (const TomlNode& item : node.items) joined += (joined.empty() ? "" : ",") + item.text;
            return joined;
        }
        case TomlNode::Kind::real: return fmt::format("{}", node.real);
        case TomlNode::Kind::date_time:
        case TomlNode::Kind::table: break;
        }
        return std::nullopt;
    }

    void read_setting(const std::string& key, const TomlEntry& entry) {
        const TomlNode& node = entry.value;
        for (const Setting& setting : settings()) {
            const bool plain = key == setting.key;
            const bool from_file = may_come_from_file(setting.key) && key == std::string(setting.key) + "_file";
            if (!plain && !from_file) continue;
            auto text = text_of(node);
            if (!text) return complain(node.at, fmt::format("'{}' must be a text or a number", key));
            if (from_file) {
                auto secret = read_secret(*text);
                if (!secret)
                    return complain(node.at, fmt::format("cannot read the file '{}': {}", *text, secret.error().detail));
                text = std::move(*secret);
            }
            if (const auto expected = setting.apply(config, *text))
                complain(node.at, fmt::format("'{}' must be {}", key, *expected));
            return;
        }
        const auto hint = did_you_mean(key, known_keys());
        complain(entry.at, fmt::format("unknown key '{}'; {}", key,
                                       hint.empty() ? "docs/operating.md lists all keys" : hint));
    }

    std::vector<broker::PermissionOption> read_permissions(const TomlNode& list) {
        std::vector<broker::PermissionOption> permissions;
        if (!list.is_list() || !std::ranges::all_of(list.items, &TomlNode::is_table)) {
            complain(list.at, "'permissions' of a broker.user must be a list such as [{ vhost = \"/\", configure = \"^$\", "
                              "write = \".*\", read = \".*\" }]");
            return permissions;
        }
        for (const TomlNode& table : list.items) {
            auto permission = read_permission(table);
            if (std::ranges::find(permissions, permission.vhost, &broker::PermissionOption::vhost) != permissions.end())
                complain(table.at, fmt::format("'permissions' name the virtual host '{}' twice", permission.vhost));
            permissions.push_back(std::move(permission));
        }
        return permissions;
    }

    // What is left out matches nothing.
    broker::PermissionOption read_permission(const TomlNode& table) {
        broker::PermissionOption permission;
        permission.configure = permission.write = permission.read = "^$";
        const std::map<std::string_view, std::string*> members{{"vhost", &permission.vhost},
                                                               {"configure", &permission.configure},
                                                               {"write", &permission.write},
                                                               {"read", &permission.read}};
        for (const TomlEntry& entry : table.entries) {
            const auto member = members.find(entry.key);
            if (member == members.end() || !entry.value.is_text()) {
                complain(entry.at, fmt::format("'{}': a permission has vhost, configure, write and read, all of them texts",
                                               entry.key));
                continue;
            }
            *member->second = entry.value.text;
            const auto checked = entry.key == "vhost" ? broker::core::check_name("a virtual host", entry.value.text)
                                                      : broker::core::Access().check_pattern(entry.value.text);
            if (!checked) complain(entry.value.at, checked.error().detail);
        }
        return permission;
    }

    void read_user(const TomlNode& table) {
        BrokerUser user;
        user.tags = {};
        for (const TomlEntry& entry : table.entries) {
            const std::string& key = entry.key;
            if (key == "permissions") {
                user.permissions = read_permissions(entry.value);
                continue;
            }
            const auto text = text_of(entry.value);
            if (!text)
                complain(entry.value.at, fmt::format("'{}' of a broker.user must be a text", key));
            else if (key == "name")
                user.name = *text;
            else if (key == "password")
                user.password = *text;
            else if (key == "password_hash")
                user.password_hash = *text;
            else if (key == "tags") {
                user.tags = split(*text, ',');
                for (const auto& tag : user.tags)
                    if (auto trouble = web::tag_trouble(tag); !trouble.empty()) complain(entry.value.at, std::move(trouble));
            } else if (key == "password_file") {
                const auto secret = read_secret(*text);
                if (secret)
                    user.password = *secret;
                else
                    complain(entry.value.at, fmt::format("cannot read the file '{}': {}", *text, secret.error().detail));
            } else
                complain(entry.at, fmt::format("unknown key '{}' of a broker.user; it has name, password_file, "
                                               "password_hash, password, tags, permissions",
                                               key));
        }
        if (user.name.empty()) return complain(table.at, "a broker.user needs a name");
        if (std::ranges::find(config.broker_users, user.name, &BrokerUser::name) != config.broker_users.end())
            return complain(table.at, fmt::format("there are two broker.user '{}'", user.name));
        if (user.password.empty() && user.password_hash.empty())
            return complain(table.at,
                            fmt::format("broker.user '{}' needs password_file or password_hash", user.name));
        // Four bytes of salt, then SHA-256.
        if (const auto bytes = from_base64(user.password_hash);
            !user.password_hash.empty() && (!bytes || bytes->size() != 36))
            return complain(table.at, fmt::format("'password_hash' of broker.user '{}' must be base64 of 36 bytes, salt "
                                                  "and SHA-256, as 'baton ctl export_definitions -' shows it",
                                                  user.name));
        config.broker_users.push_back(std::move(user));
    }

    void read_table(const std::string& prefix, const TomlNode& table) {
        for (const TomlEntry& entry : table.entries) {
            const TomlNode& node = entry.value;
            const std::string name = prefix + entry.key;
            if (name == "broker.user") {
                if (!node.is_list() || !std::ranges::all_of(node.items, &TomlNode::is_table))
                    complain(node.at, "write a user as [[broker.user]] with name and password_file");
                else
                    for (const TomlNode& user : node.items) read_user(user);
            } else if (name == "notify.with" && node.is_table()) {
                config.notify.with = write_json(orchestrator::definition::to_json(node));
            } else if (name == "notify.approvals.with" && node.is_table()) {
                config.notify_approvals.with = write_json(orchestrator::definition::to_json(node));
            } else if (node.is_table()) {
                read_table(name + ".", node);
            } else {
                read_setting(name, entry);
            }
        }
    }

    void read_environment(const Environment& environment) {
        const auto apply = [&](std::string_view variable, const std::string& value, const auto& setter) {
            if (const auto expected = setter(config, value))
                complaints.push_back(fmt::format("error: the variable {} must be {}", variable, *expected));
        };
        for (const Setting& setting : settings()) {
            const std::string variable(setting.variable);
            if (const auto found = environment.find(variable); found != environment.end())
                apply(variable, found->second, setting.apply);
            const auto from_file = environment.find(variable + "_FILE");
            if (from_file == environment.end() || !may_come_from_file(setting.key)) continue;
            if (const auto secret = read_secret(from_file->second))
                apply(variable, *secret, setting.apply);
            else
                complaints.push_back(fmt::format("error: the variable {}_FILE names '{}', which cannot be read: {}",
                                                 variable, from_file->second, secret.error().detail));
        }
        if (const auto users = environment.find("BATON_BROKER_USERS"); users != environment.end())
            apply("BATON_BROKER_USERS", users->second, set_users);
        if (const auto users = environment.find("BATON_BROKER_USERS_FILE"); users != environment.end()) {
            if (const auto secret = read_secret(users->second))
                apply("BATON_BROKER_USERS_FILE", *secret, set_users);
            else
                complaints.push_back(fmt::format(
                    "error: the variable BATON_BROKER_USERS_FILE names '{}', which cannot be read: {}",
                    users->second, secret.error().detail));
        }
    }
};

} // namespace

Environment process_environment() {
    Environment environment;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals != std::string_view::npos)
            environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return environment;
}

std::vector<std::string> variable_names() {
    std::vector<std::string> names{"BATON_CONFIG", "BATON_BROKER_USERS", "BATON_BROKER_USERS_FILE"};
    for (const Setting& setting : settings()) {
        names.emplace_back(setting.variable);
        if (may_come_from_file(setting.key)) names.push_back(std::string(setting.variable) + "_FILE");
    }
    return names;
}

ConfigResult read_config(std::string_view text, const std::string& file,
                         const Environment& environment) {
    Reader reader;
    reader.file = file;
    const auto document = orchestrator::definition::parse_toml(text, file);
    for (const auto& found : document.diagnostics) reader.complain({found.line, found.column}, found.message);
    if (document.diagnostics.empty()) reader.read_table("", document.root);
    reader.read_environment(environment);
    complete_tls(reader.config, reader.complaints);
    check_urls(reader.config, reader.complaints);
    check_role(reader.config, reader.complaints);
    check_notify(reader.config, reader.complaints);
    return {std::move(reader.config), std::move(reader.complaints)};
}

ConfigResult load_config(const std::string& file, const Environment& environment) {
    std::string path = file;
    if (const auto named = environment.find("BATON_CONFIG"); path.empty() && named != environment.end())
        path = named->second;
    const bool must_exist = !path.empty();
    if (path.empty()) path = "baton.toml";
    std::error_code unknown;
    if (std::filesystem::is_directory(path, unknown))
        return {{}, {fmt::format("error: the configuration file '{}' is a folder", path)}};
    if (!must_exist && !std::filesystem::exists(path, unknown)) return read_config("", path, environment);
    const auto content = read_named_file(path, settings_file_bytes_max);
    if (!content)
        return {{}, {fmt::format("error: cannot read the configuration file '{}': {}", path, content.error().detail)}};
    return read_config(*content, path, environment);
}

} // namespace baton::server
