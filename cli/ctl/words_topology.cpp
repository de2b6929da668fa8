// Queues that are purged and deleted, connections that are closed.
#include "base/percent.hpp"
#include "cli/ctl/word.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <thread>

namespace baton::cli::ctl {

namespace json = boost::json;

namespace {

std::string queue_path(const Work& work) { return work.in_vhost("queues") + "/" + percent_encoded(work.value(0)); }

void purge_queue(Work& work) {
    work.remark(fmt::format("Purging queue '{}' in vhost '{}' ...", work.value(0), work.arguments().vhost()));
    const auto answer = work.ask(work.api().remove(queue_path(work) + "/contents"));
    if (!answer || answer->is_good()) return;
    if (answer->status == 404) return work.fail(ctl_data, "Queue not found");
    work.fail_as(*answer);
}

void delete_queue(Work& work) {
    const bool if_empty = work.arguments().has("if-empty");
    const bool if_unused = work.arguments().has("if-unused");
    const char* condition = if_empty && if_unused ? " if queue is empty and if queue is unused"
                            : if_empty            ? " if queue is empty"
                            : if_unused           ? " if queue is unused"
                                                  : "";
    work.remark(fmt::format("Deleting queue '{}' on vhost '{}'{} ...", work.value(0), work.arguments().vhost(), condition));
    const auto queue = work.ask(work.api().get(queue_path(work)));
    if (!queue) return;
    if (queue->status == 404) return work.fail(ctl_data, "Queue not found");
    if (!queue->is_good()) return work.fail_as(*queue);
    const auto answer = work.ask(work.api().remove(
        queue_path(work) + fmt::format("?if-empty={}&if-unused={}", if_empty, if_unused)));
    if (!answer) return;
    if (answer->is_good())
        return work.remark(fmt::format("Queue was successfully deleted with {} ready messages",
                                       queue->body.at("messages_ready").to_number<std::uint64_t>()));
    if (answer->status == 404) return work.fail(ctl_data, "Queue not found");
    work.fail_as(*answer);
}

void close_connection(Work& work) {
    work.remark(fmt::format("Closing connection {}, reason: {}...", work.value(0), work.value(1)));
    const auto answer = work.ask(work.api().remove("/api/connections/" + percent_encoded(work.value(0)), work.value(1)));
    if (!answer || answer->is_good()) return;
    if (answer->status == 404)
        return work.fail(ctl_data, fmt::format("no connection '{}'; list_connections pid name shows them", work.value(0)));
    work.fail_as(*answer);
}

// Closes the connections at `path` at once, or some of them with pauses, and says how many.
void close_all_of(Work& work, const std::string& list_path, const std::string& close_path, const std::string& reason) {
    const auto limit_text = work.arguments().option("limit", "0");
    const auto delay_text = work.arguments().option("per-connection-delay", "0");
    const long limit = std::strtol(limit_text.c_str(), nullptr, 10);
    const long delay = std::strtol(delay_text.c_str(), nullptr, 10);
    if (limit <= 0 && delay <= 0) {
        const auto answer = work.ask(work.api().remove(close_path, reason));
        if (!answer) return;
        if (answer->status == 404) return work.fail(ctl_data, answer->reason());
        if (!answer->is_good()) return work.fail_as(*answer);
        return work.remark(fmt::format("Closed {} connections", answer->body.at("closed").to_number<std::uint64_t>()));
    }
    const auto list = work.get(list_path);
    if (!list) return;
    long closed = 0;
    for (const auto& connection : list->as_array()) {
        if (limit > 0 && closed == limit) break;
        const std::string pid(connection.at("pid").as_string());
        if (!work.remove("/api/connections/" + percent_encoded(pid), reason)) return;
        ++closed;
        std::this_thread::sleep_for(std::chrono::milliseconds(std::max(delay, 0L)));
    }
    work.remark(fmt::format("Closed {} connections", closed));
}

void close_all_connections(Work& work) {
    const bool of_all = work.arguments().has("global");
    const auto& reason = work.value(0);
    work.remark(of_all ? fmt::format("Closing all connections, reason: {}...", reason)
                       : fmt::format("Closing all connections in vhost {}, reason: {}...", work.arguments().vhost(), reason));
    const std::string path = of_all ? "/api/connections" : work.in_vhost("vhosts") + "/connections";
    close_all_of(work, path, path, reason);
}

void close_all_user_connections(Work& work) {
    const auto& user = work.value(0);
    work.remark(fmt::format("Closing connections of user {}, reason: {}...", user, work.value(1)));
    const auto answer = work.ask(work.api().remove("/api/connections/username/" + percent_encoded(user), work.value(1)));
    if (answer && !answer->is_good()) work.fail_as(*answer);
}

void delete_mqtt_session(Work& work) {
    work.remark(fmt::format("Deleting MQTT session '{}' in vhost '{}' ...", work.value(0), work.arguments().vhost()));
    const auto answer = work.ask(work.api().remove(work.in_vhost("mqtt/sessions") + "/" + percent_encoded(work.value(0))));
    if (!answer || answer->is_good()) return;
    if (answer->status == 404)
        return work.fail(ctl_data, fmt::format("no MQTT session '{}' there; list_mqtt_sessions client_id vhost shows them", work.value(0)));
    work.fail_as(*answer);
}

} // namespace

std::vector<Word> words_of_topology() {
    return {
        {"purge_queue", "[--vhost <vhost>] <queue>", "Removes all messages of a queue", "purge_queue -p shop orders", 1,
         1, {"vhost"}, purge_queue},
        {"delete_queue", "[--vhost <vhost>] <queue> [--if-empty|-e] [--if-unused|-u]", "Deletes a queue",
         "delete_queue orders --if-empty", 1, 1, {"vhost", "if-empty", "if-unused"}, delete_queue},
        {"delete_mqtt_session", "[--vhost <vhost>] <client id>",
         "Ends a session of MQTT with its connection, its queues and its subscriptions", "delete_mqtt_session -p / sensor-7", 1, 1,
         {"vhost"}, delete_mqtt_session},
        {"close_connection", "<pid or name> <explanation>",
         "Closes a connection; list_connections shows pid and name", "close_connection '<baton.17>' 'maintenance'", 2, 2,
         {}, close_connection},
        {"close_all_connections",
         "[--vhost <vhost> | --global] [--limit <limit>] [--per-connection-delay <milliseconds>] <explanation>",
         "Closes all connections of a virtual host or of the broker", "close_all_connections -p shop 'maintenance'", 1,
         1, {"vhost", "global", "limit", "per-connection-delay"}, close_all_connections},
        {"close_all_user_connections", "<username> <explanation>", "Closes all connections of a user",
         "close_all_user_connections robot 'key rotated'", 2, 2, {}, close_all_user_connections},
    };
}

} // namespace baton::cli::ctl
