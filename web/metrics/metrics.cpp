#include "web/metrics/metrics.hpp"

#include "base/log.hpp"
#include "broker/core/dead_letter.hpp"
#include "orchestrator/core/status.hpp"
#include "web/broker/broker_view.hpp"
#include "web/metrics/exposition.hpp"
#include "web/access/login.hpp"
#include "web/http/replies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace broker_core = broker::core;
using boost::asio::awaitable;
using enum MetricKind;

namespace {

constexpr std::array<std::string_view, broker_core::queue_kinds> kind_labels{
    "rabbit_classic_queue", "rabbit_quorum_queue", "rabbit_stream_queue"};
constexpr std::string_view protocol = "amqp091";
// How the contract with workers calls the queue of a task type.
constexpr std::string_view task_queue_prefix = "baton.task.";

// All that is looked at for one answer.
struct Scene {
    const BrokerPort& port;
    broker_core::Overview broker; // of queues at least those of task types
    NodeFigures node;
    const StoreFigures* figures;
    std::string endpoint; // what rabbitmq_identity_info says of it
};

struct Metric {
    std::string_view name;
    MetricKind kind;
    std::string_view help;
    void (*write)(const Scene&, Exposition&);
};

const broker_core::ServerCounters& counted(const Scene& scene) { return scene.broker.totals.since_start; }

// A counter per kind of queue.
void write_by_kind(Exposition& out, const Scene& scene, std::uint64_t (*count)(const broker_core::MessageCounters&)) {
    for (std::size_t at = 0; at < broker_core::queue_kinds; ++at)
        out.sample({{"protocol", protocol}, {"queue_type", kind_labels[at]}}, count(counted(scene).by_kind[at]));
}

void write_logins(Exposition& out, const Scene& scene, std::uint64_t (*count)(const LoginAttempts&)) {
    if (!scene.port.login_attempts) return;
    for (const LoginAttempts& one : scene.port.login_attempts())
        out.sample({{"protocol", one.protocol}}, count(one));
}

void write_alarm(Exposition& out, const Scene& scene, broker_core::Alarm alarm) {
    out.sample({}, scene.broker.totals.alarms[static_cast<std::size_t>(alarm)] ? 1 : 0);
}

void write_dead(Exposition& out, const Scene& scene, broker_core::DeathReason reason) {
    const std::uint64_t all = counted(scene).dead_lettered[static_cast<std::size_t>(reason)];
    out.sample({{"queue_type", kind_labels[0]}, {"dead_letter_strategy", "all"}}, all);
}

// --- Of the broker as a whole -----------------------------------------------------------------------

constexpr Metric broker_metrics[] = {
    {"rabbitmq_build_info", gauge, "Versions",
     [](const Scene& s, Exposition& out) {
         out.sample({{"rabbitmq_version", s.port.version},
                     {"prometheus_plugin_version", s.port.version},
                     {"prometheus_client_version", s.port.baton_version},
                     {"erlang_version", "none"},
                     {"product_name", s.port.product},
                     {"product_version", s.port.version}},
                    1);
     }},
    {"rabbitmq_identity_info", gauge, "Who this is; dashboards join the other metrics with it",
     [](const Scene& s, Exposition& out) {
         out.sample({{"rabbitmq_node", s.port.node},
                     {"rabbitmq_cluster", s.port.node},
                     {"rabbitmq_cluster_permanent_id", s.port.node},
                     {"rabbitmq_endpoint", s.endpoint}},
                    1);
     }},
    {"rabbitmq_connections", gauge, "Connections that are open",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.connections); }},
    {"rabbitmq_channels", gauge, "Channels that are open",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.channels); }},
    {"rabbitmq_queues", gauge, "Queues",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.queues); }},
    {"rabbitmq_consumers", gauge, "Consumers",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.consumers); }},
    {"rabbitmq_queue_messages", gauge, "Messages in all queues, ready or unacknowledged",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.ready + s.broker.totals.unacked); }},
    {"rabbitmq_queue_messages_ready", gauge, "Messages in all queues that wait for a consumer",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.ready); }},
    {"rabbitmq_queue_messages_unacked", gauge, "Messages of all queues delivered and not acknowledged",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.unacked); }},
    {"rabbitmq_process_open_fds", gauge, "Open file descriptors",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.descriptors); }},
    {"rabbitmq_process_max_fds", gauge, "Limit of file descriptors",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.descriptors_max); }},
    {"rabbitmq_process_resident_memory_bytes", gauge, "Memory of the process",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.memory); }},
    {"rabbitmq_resident_memory_limit_bytes", gauge, "Bytes of messages in memory above which publishers wait",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.memory_high); }},
    {"rabbitmq_disk_space_available_bytes", gauge, "Free on the disk of the data folder",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.disk_free); }},
    {"rabbitmq_disk_space_available_limit_bytes", gauge, "What the journal needs free to go on",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.disk_free_limit); }},
    {"rabbitmq_erlang_uptime_seconds", gauge, "Seconds since the start",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.uptime_seconds); }},
    {"rabbitmq_alarms_memory_used_watermark", gauge, "1: publishers wait for memory",
     [](const Scene& s, Exposition& out) { write_alarm(out, s, broker_core::Alarm::memory); }},
    {"rabbitmq_alarms_free_disk_space_watermark", gauge, "1: publishers wait for the disk",
     [](const Scene& s, Exposition& out) { write_alarm(out, s, broker_core::Alarm::disk); }},
    {"rabbitmq_alarms_file_descriptor_limit", gauge, "1: no descriptor is left",
     [](const Scene& s, Exposition& out) { out.sample({}, s.node.descriptors >= s.node.descriptors_max ? 1 : 0); }},
    {"rabbitmq_auth_attempts_total", counter, "Log-ins, right or wrong",
     [](const Scene& s, Exposition& out) {
         write_logins(out, s, [](const LoginAttempts& one) { return one.succeeded + one.failed; });
     }},
    {"rabbitmq_auth_attempts_succeeded_total", counter, "Log-ins that were right",
     [](const Scene& s, Exposition& out) {
         write_logins(out, s, [](const LoginAttempts& one) { return one.succeeded; });
     }},
    {"rabbitmq_auth_attempts_failed_total", counter, "Log-ins that were refused",
     [](const Scene& s, Exposition& out) {
         write_logins(out, s, [](const LoginAttempts& one) { return one.failed; });
     }},
    {"rabbitmq_connections_opened_total", counter, "Connections opened",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).connections_opened); }},
    {"rabbitmq_connections_closed_total", counter, "Connections closed or lost",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).connections_closed); }},
    {"rabbitmq_channels_opened_total", counter, "Channels opened",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).channels_opened); }},
    {"rabbitmq_channels_closed_total", counter, "Channels closed",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).channels_closed); }},
    {"rabbitmq_queues_declared_total", counter, "Declarations of queues, there already or not",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).queues_declared); }},
    {"rabbitmq_queues_created_total", counter, "Queues made",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).queues_created); }},
    {"rabbitmq_queues_deleted_total", counter, "Queues deleted",
     [](const Scene& s, Exposition& out) { out.sample({}, counted(s).queues_deleted); }},
    {"rabbitmq_global_publishers", gauge, "Channels that have published",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, s.broker.totals.publishers); }},
    {"rabbitmq_global_consumers", gauge, "Consumers",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, s.broker.totals.consumers); }},
    {"rabbitmq_global_messages_received_total", counter, "Messages published",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, s.broker.totals.counters.published); }},
    {"rabbitmq_global_messages_received_confirm_total", counter, "Messages published with a wish for a confirm",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, counted(s).received_to_confirm); }},
    {"rabbitmq_global_messages_routed_total", counter, "Published messages that found a queue",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, counted(s).routed); }},
    {"rabbitmq_global_messages_confirmed_total", counter, "Messages confirmed to publishers",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, s.broker.totals.counters.confirmed); }},
    {"rabbitmq_global_messages_unroutable_dropped_total", counter, "Unroutable messages dropped",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, s.broker.totals.counters.dropped); }},
    {"rabbitmq_global_messages_unroutable_returned_total", counter, "Unroutable messages returned",
     [](const Scene& s, Exposition& out) { out.sample({{"protocol", protocol}}, s.broker.totals.counters.returned); }},
    {"rabbitmq_channel_messages_unroutable_dropped_total", counter, "Unroutable messages dropped",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.counters.dropped); }},
    {"rabbitmq_channel_messages_unroutable_returned_total", counter, "Unroutable messages returned",
     [](const Scene& s, Exposition& out) { out.sample({}, s.broker.totals.counters.returned); }},
    {"rabbitmq_global_messages_delivered_total", counter, "Messages given to consumers and to basic.get",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) {
             return c.delivered + c.delivered_no_ack + c.gotten + c.gotten_no_ack;
         });
     }},
    {"rabbitmq_global_messages_delivered_consume_auto_ack_total", counter, "To consumers that do not acknowledge",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) { return c.delivered_no_ack; });
     }},
    {"rabbitmq_global_messages_delivered_consume_manual_ack_total", counter, "To consumers that acknowledge",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) { return c.delivered; });
     }},
    {"rabbitmq_global_messages_delivered_get_auto_ack_total", counter, "By basic.get without acknowledgement",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) { return c.gotten_no_ack; });
     }},
    {"rabbitmq_global_messages_delivered_get_manual_ack_total", counter, "By basic.get with acknowledgement",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) { return c.gotten; });
     }},
    {"rabbitmq_global_messages_redelivered_total", counter, "Messages given out again",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) { return c.redelivered; });
     }},
    {"rabbitmq_global_messages_acknowledged_total", counter, "Messages acknowledged",
     [](const Scene& s, Exposition& out) {
         write_by_kind(out, s, [](const broker_core::MessageCounters& c) { return c.acknowledged; });
     }},
    {"rabbitmq_global_messages_get_empty_total", counter, "basic.get that found nothing",
     [](const Scene& s, Exposition& out) {
         for (std::size_t at = 0; at < broker_core::queue_kinds; ++at)
             out.sample({{"protocol", protocol}, {"queue_type", kind_labels[at]}}, counted(s).gotten_empty[at]);
     }},
    {"rabbitmq_global_messages_dead_lettered_rejected_total", counter, "Dead letters: rejected",
     [](const Scene& s, Exposition& out) { write_dead(out, s, broker_core::DeathReason::rejected); }},
    {"rabbitmq_global_messages_dead_lettered_expired_total", counter, "Dead letters: expired",
     [](const Scene& s, Exposition& out) { write_dead(out, s, broker_core::DeathReason::expired); }},
    {"rabbitmq_global_messages_dead_lettered_maxlen_total", counter, "Dead letters: the queue was full",
     [](const Scene& s, Exposition& out) { write_dead(out, s, broker_core::DeathReason::maxlen); }},
    {"rabbitmq_global_messages_dead_lettered_delivery_limit_total", counter, "Dead letters: delivered too often",
     [](const Scene& s, Exposition& out) { write_dead(out, s, broker_core::DeathReason::delivery_limit); }},
    {"rabbitmq_message_size_bytes", histogram, "Bodies of published messages",
     [](const Scene& s, Exposition& out) {
         const broker_core::SizeHistogram& sizes = counted(s).sizes;
         out.histogram(sizes.bounds, sizes.counts, sizes.sum);
     }},
};

// --- Of the orchestrator ----------------------------------------------------------------------------

// The task type whose queue this is; empty: none's.
std::string_view task_of(const broker_core::QueueView& queue) {
    std::string_view name = queue.name;
    if (queue.vhost != "/" || !name.starts_with(task_queue_prefix)) return {};
    name.remove_prefix(task_queue_prefix.size());
    return name;
}

template <typename Value>
void write_by_task(Exposition& out, const Scene& scene, Value value) {
    for (const auto& queue : scene.broker.queues)
        if (const auto task = task_of(queue); !task.empty()) out.sample({{"task", task}}, value(queue));
}

constexpr Metric orchestrator_metrics[] = {
    {"baton_build_info", gauge, "Version",
     [](const Scene& s, Exposition& out) { out.sample({{"version", s.port.baton_version}}, 1); }},
    {"baton_log_lines_total", counter, "Lines of the log",
     [](const Scene&, Exposition& out) {
         using enum log::Level;
         for (const auto& [level, word] : {std::pair{debug, "debug"}, {info, "info"}, {warning, "warning"}, {error, "error"}})
             out.sample({{"level", word}}, log::lines(level));
     }},
    {"baton_runs", gauge, "Runs in the store, as they were some seconds ago",
     [](const Scene& s, Exposition& out) {
         if (s.figures == nullptr) return;
         for (const auto& one : s.figures->runs())
             out.sample({{"workflow", one.workflow}, {"status", orchestrator::core::word_of(one.status)}}, one.count);
     }},
    {"baton_dead_letters", gauge, "Dead letters that are open, as they were some seconds ago",
     [](const Scene& s, Exposition& out) {
         if (s.figures == nullptr) return;
         for (const auto& [by, count] : s.figures->dead_letters()) out.sample({{"task", by.first}, {"reason", by.second}}, count);
     }},
    {"baton_task_queue_depth", gauge, "Tasks of a type that wait for a worker",
     [](const Scene& s, Exposition& out) {
         write_by_task(out, s, [](const broker_core::QueueView& queue) { return queue.ready; });
     }},
    {"baton_task_unacked", gauge, "Tasks of a type that workers have",
     [](const Scene& s, Exposition& out) {
         write_by_task(out, s, [](const broker_core::QueueView& queue) { return queue.unacked; });
     }},
    {"baton_task_consumers", gauge, "Workers that take tasks of a type",
     [](const Scene& s, Exposition& out) {
         write_by_task(out, s, [](const broker_core::QueueView& queue) { return queue.consumers; });
     }},
};

// --- Of single objects ------------------------------------------------------------------------------

struct ObjectMetric {
    std::string_view family; // of /metrics/detailed
    std::string_view name;   // without "rabbitmq_"
    std::string_view help;
    std::uint64_t (*of_queue)(const broker_core::QueueView&) = nullptr;
    std::uint64_t (*of_channel)(const broker_core::ChannelView&) = nullptr;
};

constexpr ObjectMetric object_metrics[] = {
    {"queue_coarse_metrics", "queue_messages", "Messages, ready or unacknowledged",
     [](const broker_core::QueueView& queue) { return queue.ready + queue.unacked; }},
    {"queue_coarse_metrics", "queue_messages_ready", "Messages that wait for a consumer",
     [](const broker_core::QueueView& queue) { return queue.ready; }},
    {"queue_coarse_metrics", "queue_messages_unacked", "Messages delivered and not acknowledged",
     [](const broker_core::QueueView& queue) { return queue.unacked; }},
    {"queue_consumer_count", "queue_consumers", "Consumers",
     [](const broker_core::QueueView& queue) { return queue.consumers; }},
    {"queue_metrics", "queue_messages_bytes", "Bytes of messages",
     [](const broker_core::QueueView& queue) { return queue.ready_bytes + queue.unacked_bytes; }},
    {"queue_metrics", "queue_messages_ready_bytes", "Bytes of messages that wait",
     [](const broker_core::QueueView& queue) { return queue.ready_bytes; }},
    {"queue_metrics", "queue_messages_unacked_bytes", "Bytes of messages not acknowledged",
     [](const broker_core::QueueView& queue) { return queue.unacked_bytes; }},
    {"channel_metrics", "channel_consumers", "Consumers", nullptr,
     [](const broker_core::ChannelView& channel) { return channel.consumers; }},
    {"channel_metrics", "channel_messages_unacked", "Messages delivered and not acknowledged", nullptr,
     [](const broker_core::ChannelView& channel) { return channel.unacked; }},
    {"channel_metrics", "channel_prefetch", "Limit of unacknowledged messages", nullptr,
     [](const broker_core::ChannelView& channel) { return std::uint64_t{channel.global_prefetch}; }},
};

// Which objects an answer shows one by one.
struct Objects {
    std::string prefix; // of the names
    std::optional<std::set<std::string>> families; // nothing: all
    std::set<std::string> vhosts;                  // empty: all

    bool shows(const std::string& vhost) const { return vhosts.empty() || vhosts.contains(vhost); }
};

void write_objects(const Scene& scene, const Objects& objects, Exposition& out) {
    for (const ObjectMetric& metric : object_metrics) {
        if (objects.families && !objects.families->contains(std::string(metric.family))) continue;
        out.family(objects.prefix + std::string(metric.name), gauge, metric.help);
        if (metric.of_queue != nullptr)
            for (const auto& queue : scene.broker.queues)
                if (objects.shows(queue.vhost))
                    out.sample({{"vhost", queue.vhost}, {"queue", queue.name}}, metric.of_queue(queue));
        if (metric.of_channel != nullptr)
            for (const auto& channel : scene.broker.channels)
                if (objects.shows(channel.vhost))
                    out.sample({{"vhost", channel.vhost}, {"channel", channel_pid(channel.connection, channel.number)}},
                               metric.of_channel(channel));
    }
}

// --- The answer -------------------------------------------------------------------------------------

std::set<std::string> words_in(const Request& request, const char* key) {
    std::set<std::string> words;
    std::string_view rest;
    const std::string text = parameter(request, key);
    for (rest = text; !rest.empty();) {
        const auto end = std::min(rest.find(','), rest.size());
        if (end != 0) words.emplace(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return words;
}

enum class Form { aggregated, per_object, detailed };

broker_core::OverviewWish wish_for(Form form) {
    auto wish = no_lists();
    wish.queues = true;
    if (form == Form::aggregated) {
        wish.name_prefix = task_queue_prefix;
        return wish;
    }
    wish.channels = true;
    return wish;
}

std::string_view endpoint_of(Form form) {
    switch (form) {
    case Form::aggregated: return "aggregated";
    case Form::per_object: return "per-object";
    case Form::detailed: return "detailed";
    }
    return "";
}

void write_mqtt(const MqttState& mqtt, Exposition& out) {
    const auto connected = std::ranges::count_if(mqtt.sessions, [](const auto& one) { return one.connection.has_value(); });
    out.family("baton_mqtt_sessions", MetricKind::gauge, "Sessions of MQTT, by whether their client is connected");
    out.sample({{"connected", "true"}}, connected);
    out.sample({{"connected", "false"}}, static_cast<std::ptrdiff_t>(mqtt.sessions.size()) - connected);
    out.family("baton_mqtt_retained_messages", MetricKind::gauge, "Retained messages of MQTT");
    out.sample({}, mqtt.retained);
    out.family("baton_mqtt_retained_bytes", MetricKind::gauge, "Memory of retained messages of MQTT");
    out.sample({}, mqtt.retained_bytes);
    out.family("baton_mqtt_takeovers_total", MetricKind::counter, "Sessions of MQTT that a younger connection took");
    out.sample({}, mqtt.takeovers);
}

awaitable<Response> answer(std::shared_ptr<const MetricsParts> parts, Request request, Form form) {
    const BrokerPort& port = parts->broker;
    Scene scene{port, {}, {}, parts->figures, std::string(endpoint_of(form))};
    if (port.exists()) {
        auto overview = co_await look(port, wish_for(form));
        if (!overview) co_return broker_is_silent();
        scene.broker = std::move(*overview);
        scene.node = port.figures();
    }
    Exposition out;
    const auto write_all = [&](std::span<const Metric> metrics) {
        for (const Metric& metric : metrics) {
            out.family(metric.name, metric.kind, metric.help);
            metric.write(scene, out);
        }
    };
    // Sums over queues have the names of the metrics of single queues.
    std::set<std::string> taken;
    if (form == Form::per_object)
        for (const ObjectMetric& metric : object_metrics) taken.insert("rabbitmq_" + std::string(metric.name));
    if (form != Form::detailed) {
        if (port.exists())
            for (const Metric& metric : broker_metrics) {
                if (taken.contains(std::string(metric.name))) continue;
                out.family(metric.name, metric.kind, metric.help);
                metric.write(scene, out);
            }
        if (parts->figures != nullptr) co_await parts->figures->refresh();
        write_all(orchestrator_metrics);
        if (parts->engine != nullptr) out.list(parts->engine->metrics().all);
        if (parts->counted != nullptr) out.list(parts->counted->all);
        if (const auto mqtt = co_await look_at_mqtt(port)) write_mqtt(*mqtt, out);
        if (port.metrics) port.metrics([&out](const MetricList& list) { out.list(list); });
    }
    if (form == Form::per_object) write_objects(scene, {"rabbitmq_", std::nullopt, {}}, out);
    if (form == Form::detailed) {
        write_all(std::span(broker_metrics).first(2)); // who this is
        write_objects(scene, {"rabbitmq_detailed_", words_in(request, "family"), words_in(request, "vhost")}, out);
    }
    Response response;
    response.body = out.take();
    response.content_type = Exposition::content_type;
    co_return response;
}

std::optional<Form> form_at(std::string_view path) {
    if (path == "/metrics") return Form::aggregated;
    if (path == "/metrics/per-object") return Form::per_object;
    if (path == "/metrics/detailed") return Form::detailed;
    return std::nullopt;
}

awaitable<Response> exposition_answer(Response response) { co_return response; }

} // namespace

Handler make_metrics(MetricsParts given) {
    auto parts = std::make_shared<const MetricsParts>(std::move(given));
    return [parts](Request request) {
        const auto form = form_at(request.path);
        if (!form) return exposition_answer(problem(404, "not_found", "metrics are at /metrics, /metrics/per-object, /metrics/detailed"));
        if (request.method != "GET" && request.method != "HEAD")
            return exposition_answer(problem(405, "method_not_allowed", request.method + " is not possible here"));
        return answer(parts, std::move(request), *form);
    };
}

void add_metrics_routes(Routes& routes, std::shared_ptr<const MetricsParts> parts) {
    for (const char* path : {"/metrics", "/metrics/per-object", "/metrics/detailed"})
        routes.add("GET", path, Level::monitoring, [parts, form = *form_at(path)](Request request, Parameters) {
            return answer(parts, std::move(request), form);
        });
}

} // namespace baton::web
