// What the web counts of itself: written on its thread and on the store readers', printed by metrics.cpp.
#pragma once

#include "base/metrics.hpp"

namespace baton::web {

struct WebMetrics {
    MetricList all;
    Family<Histogram> requests{all, "baton_http_request_seconds", "How long requests took to be answered, by route and status",
                               {"route", "code"}, durations};
    Histogram store_queries{all, "baton_store_query_seconds", "How long the store took for what people ask", durations};
};

} // namespace baton::web
