// What is counted outside engine and broker: written on the web's thread, on the store readers' and on the one that
// tells a collector of spans; printed by metrics.cpp.
#pragma once

#include "base/metrics.hpp"

namespace baton::web {

struct WebMetrics {
    MetricList all;
    Family<Histogram> requests{all, "baton_http_request_seconds", "How long requests took to be answered, by route and status",
                               {"route", "code"}, durations};
    Histogram store_queries{all, "baton_store_query_seconds", "How long the store took for what people ask", durations};
    Counter log_lines_kept{all, "baton_run_log_lines_total", "Lines of workers that were kept with their runs"};
    Counter log_lines_dropped{all, "baton_run_log_lines_dropped_total", "Lines of workers that found too many others waiting, or that the store refused"};
    Counter spans_exported{all, "baton_otlp_spans_exported_total", "Spans that the collector of traces took"};
    Counter spans_dropped{all, "baton_otlp_spans_dropped_total", "Spans that it did not take, or that found the queue full"};
};

} // namespace baton::web
