// Metrics for Prometheus. The names that begin with rabbitmq_ are RabbitMQ's, so that its public
// dashboards and alert rules work unchanged; those with baton_ are ours. What the server counts as it goes is
// declared where it is counted (base/metrics.hpp) and comes here by itself; what is looked up or added up
// for an answer is one row in the tables of metrics.cpp.
//
//   /metrics             everything, queues and channels added up
//   /metrics/per-object  the same, and each queue and channel by itself
//   /metrics/detailed    ?family=queue_coarse_metrics&vhost=…: only these families, of these virtual
//                        hosts; both may come more than once, separated by commas
#pragma once

#include "orchestrator/runtime/engine.hpp"
#include "web/broker/broker_port.hpp"
#include "web/http/http_server.hpp"
#include "web/http/routes.hpp"
#include "web/metrics/store_figures.hpp"
#include "web/metrics/web_metrics.hpp"

#include <memory>

namespace baton::web {

struct MetricsParts {
    orchestrator::runtime::Engine* engine = nullptr;
    BrokerPort broker;
    StoreFigures* figures = nullptr; // may be null
    const WebMetrics* counted = nullptr; // likewise
};

// Without a login: for a port that only Prometheus can reach.
Handler make_metrics(MetricsParts parts);
// For users who may see everything, beside the API.
void add_metrics_routes(Routes& routes, std::shared_ptr<const MetricsParts> parts);

} // namespace baton::web
