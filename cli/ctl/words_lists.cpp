// The list_ words of what lives in the broker: queues, exchanges, bindings, connections, channels,
// consumers. Columns carry rabbitmqctl's names; those Baton has nothing for stay empty.
#include "cli/ctl/columns.hpp"
#include "cli/ctl/word.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace baton::cli::ctl {

namespace json = boost::json;

namespace {

constexpr Column queue_columns[] = {
    {"name", "name"},
    {"messages", "messages"},
    {"messages_ready", "messages_ready"},
    {"messages_unacknowledged", "messages_unacknowledged"},
    {"messages_ready_ram", ""},
    {"messages_unacknowledged_ram", ""},
    {"messages_ram", ""},
    {"messages_persistent", ""},
    {"message_bytes", "message_bytes"},
    {"message_bytes_ready", "message_bytes_ready"},
    {"message_bytes_unacknowledged", "message_bytes_unacknowledged"},
    {"message_bytes_ram", ""},
    {"message_bytes_persistent", ""},
    {"consumers", "consumers"},
    {"durable", "durable"},
    {"auto_delete", "auto_delete"},
    {"exclusive", "exclusive"},
    {"arguments", "arguments"},
    {"policy", "policy"},
    {"operator_policy", "operator_policy"},
    {"effective_policy_definition", "effective_policy_definition"},
    {"type", "type"},
    {"state", "state"},
    {"owner_pid", "owner_pid_details.name"},
    {"exclusive_consumer_tag", "exclusive_consumer_tag"},
    {"exclusive_consumer_pid", ""},
    {"single_active_consumer_tag", "single_active_consumer_tag"},
    {"head_message_timestamp", ""},
    {"pid", "node"},
    {"leader", "node"},
    {"members", "node"},
    {"online", "node"},
    {"slave_pids", ""},
    {"synchronised_slave_pids", ""},
    {"consumer_utilisation", ""},
    {"consumer_capacity", ""},
    {"memory", ""},
    {"disk_reads", ""},
    {"disk_writes", ""},
};

constexpr Column exchange_columns[] = {
    {"name", "name"},         {"type", "type"},           {"durable", "durable"}, {"auto_delete", "auto_delete"},
    {"internal", "internal"}, {"arguments", "arguments"}, {"policy", "policy"},
};

constexpr Column binding_columns[] = {
    {"source_name", "source"},           {"source_kind", "source_type"}, {"destination_name", "destination"},
    {"destination_kind", "destination_type"}, {"routing_key", "routing_key"}, {"arguments", "arguments"},
};

constexpr Column connection_columns[] = {
    {"pid", "pid"},
    {"name", "name"},
    {"user", "user"},
    {"vhost", "vhost"},
    {"state", "state"},
    {"channels", "channels"},
    {"protocol", "protocol"},
    {"auth_mechanism", "auth_mechanism"},
    {"host", "host"},
    {"port", "port"},
    {"peer_host", "peer_host"},
    {"peer_port", "peer_port"},
    {"ssl", "ssl"},
    {"ssl_protocol", ""},
    {"ssl_key_exchange", ""},
    {"ssl_cipher", ""},
    {"ssl_hash", ""},
    {"peer_cert_subject", ""},
    {"peer_cert_issuer", ""},
    {"peer_cert_validity", ""},
    {"timeout", "timeout"},
    {"frame_max", "frame_max"},
    {"channel_max", "channel_max"},
    {"client_properties", "client_properties"},
    {"connected_at", "connected_at"},
    {"recv_oct", "recv_oct"},
    {"recv_cnt", "recv_cnt"},
    {"send_oct", "send_oct"},
    {"send_cnt", "send_cnt"},
    {"send_pend", "send_pend"},
};

constexpr Column channel_columns[] = {
    {"pid", "pid"},
    {"connection", "connection_details.pid"},
    {"name", "name"},
    {"number", "number"},
    {"user", "user"},
    {"vhost", "vhost"},
    {"transactional", "transactional"},
    {"confirm", "confirm"},
    {"consumer_count", "consumer_count"},
    {"messages_unacknowledged", "messages_unacknowledged"},
    {"messages_uncommitted", ""},
    {"acks_uncommitted", ""},
    {"messages_unconfirmed", "messages_unconfirmed"},
    {"prefetch_count", "prefetch_count"},
    {"global_prefetch_count", "global_prefetch_count"},
};

constexpr Column consumer_columns[] = {
    {"queue_name", "queue.name"},         {"channel_pid", "channel_details.pid"},
    {"consumer_tag", "consumer_tag"},     {"ack_required", "ack_required"},
    {"prefetch_count", "prefetch_count"}, {"active", "active"},
    {"activity_status", "activity_status"}, {"arguments", "arguments"},
};

constexpr Column mqtt_columns[] = {
    {"client_id", "client_id"}, {"vhost", "vhost"},           {"user", "user"},
    {"connected", "connected"}, {"connection", "connection"}, {"subscriptions", "subscriptions"},
    {"has_will", "has_will"},   {"expiry_seconds", "expiry_seconds"}, {"ends_at", "ends_at"},
};

// The rows at `path`, or nothing after having failed.
std::optional<json::array> rows_at(Work& work, const std::string& path) {
    auto list = work.get(path);
    if (!list) return std::nullopt;
    if (!list->is_array()) {
        work.fail(ctl_software, "the server answered with no list");
        return std::nullopt;
    }
    return std::move(list->as_array());
}

void print_list(Work& work, std::span<const Column> known, std::initializer_list<std::string_view> otherwise,
                const std::string& path, const std::string& remark) {
    const auto columns = chosen_columns(work, known, otherwise);
    if (!columns) return;
    const auto rows = rows_at(work, path);
    if (!rows) return;
    work.remark(remark);
    print_rows(work, *columns, *rows);
}

void list_queues(Work& work) {
    const bool is_long = work.arguments().option("formatter", "table") == "table";
    const auto timeout = work.arguments().timeout(Work::list_limit).count();
    print_list(work, queue_columns, {"name", "messages"}, work.in_vhost("queues"),
               fmt::format("{}Listing queues for vhost {} ...",
                           is_long ? fmt::format("Timeout: {}.0 seconds ...\n", timeout) : "",
                           work.arguments().vhost()));
}

void list_exchanges(Work& work) {
    print_list(work, exchange_columns, {"name", "type"}, work.in_vhost("exchanges"),
               fmt::format("Listing exchanges for vhost {} ...", work.arguments().vhost()));
}

void list_bindings(Work& work) {
    const auto columns = chosen_columns(work, binding_columns,
                                        {"source_name", "source_kind", "destination_name", "destination_kind",
                                         "routing_key", "arguments"});
    if (!columns) return;
    auto rows = rows_at(work, work.in_vhost("bindings"));
    if (!rows) return;
    for (auto& row : *rows) row.as_object()["source_type"] = "exchange";
    work.remark(fmt::format("Listing bindings for vhost {}...", work.arguments().vhost()));
    print_rows(work, *columns, *rows);
}

void list_connections(Work& work) {
    const auto columns = chosen_columns(work, connection_columns, {"user", "peer_host", "peer_port", "state"});
    if (!columns) return;
    auto rows = rows_at(work, "/api/connections");
    if (!rows) return;
    for (auto& row : *rows) row.as_object()["protocol"] = "{0,9,1}";
    work.remark("Listing connections ...");
    print_rows(work, *columns, *rows);
}

void list_channels(Work& work) {
    print_list(work, channel_columns, {"pid", "user", "consumer_count", "messages_unacknowledged"}, "/api/channels",
               "Listing channels ...");
}

void list_consumers(Work& work) {
    print_list(work, consumer_columns,
               {"queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"},
               work.in_vhost("consumers"), fmt::format("Listing consumers in vhost {} ...", work.arguments().vhost()));
}

void list_mqtt_sessions(Work& work) {
    print_list(work, mqtt_columns, {"client_id", "user", "connected", "subscriptions"}, "/api/mqtt/sessions",
               "Listing MQTT sessions ...");
}

} // namespace

std::vector<Word> words_of_lists() {
    return {
        {"list_queues", "[--vhost <vhost>] [<column> ...]", "Lists queues and their properties",
         "list_queues\nlist_queues name messages_ready messages_unacknowledged consumers\n"
         "list_queues -q -p shop --formatter json name arguments",
         0, any_number, {"vhost", "online", "offline", "local"}, list_queues, queue_columns},
        {"list_exchanges", "[--vhost <vhost>] [<column> ...]", "Lists exchanges",
         "list_exchanges name type durable arguments", 0, any_number, {"vhost"}, list_exchanges,
         exchange_columns},
        {"list_bindings", "[--vhost <vhost>] [<column> ...]", "Lists all bindings on a vhost",
         "list_bindings -p shop\nlist_bindings source_name destination_name routing_key", 0, any_number, {"vhost"},
         list_bindings, binding_columns},
        {"list_connections", "[<column> ...]", "Lists connections",
         "list_connections\nlist_connections pid name user vhost channels", 0, any_number, {},
         list_connections, connection_columns},
        {"list_channels", "[<column> ...]", "Lists all channels",
         "list_channels connection number confirm messages_unconfirmed prefetch_count", 0, any_number, {},
         list_channels, channel_columns},
        {"list_mqtt_sessions", "[<column> ...]", "Lists sessions of MQTT, connected or not",
         "list_mqtt_sessions\nlist_mqtt_sessions client_id vhost connected ends_at", 0, any_number, {},
         list_mqtt_sessions, mqtt_columns},
        {"list_consumers", "[--vhost <vhost>] [<column> ...]", "Lists all consumers for a vhost",
         "list_consumers -p shop queue_name consumer_tag active", 0, any_number, {"vhost"}, list_consumers,
         consumer_columns},
    };
}

} // namespace baton::cli::ctl
