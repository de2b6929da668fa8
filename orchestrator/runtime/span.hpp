// One stretch of work as a collector of traces is told of it, when it is over.
#pragma once

#include "base/clock.hpp"
#include "base/trace.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace baton::orchestrator::runtime {

struct Span {
    enum class Kind : std::uint8_t {
        internal = 1,
        server = 2,
        producer = 4
    }; // OpenTelemetry's numbers
    using Value = std::variant<std::string, std::int64_t>;

    trace::TraceId trace;
    std::uint64_t id = 0;
    std::uint64_t parent = 0; // 0: none
    std::string state{};      // tracestate
    std::string name;
    Kind kind = Kind::internal;
    Time started{};
    Time ended{};
    std::vector<std::pair<std::string_view, Value>> attributes{}; // names are literals
    bool has_failed = false;
    std::string why{}; // of one that failed, for people
};

// Any thread; never waits.
using SpanSink = std::function<void(Span)>;

} // namespace baton::orchestrator::runtime
