// Spans as OTLP/HTTP carries them: the JSON encoding of ExportTraceServiceRequest. Pure.
#pragma once

#include "orchestrator/runtime/span.hpp"

#include <span>
#include <string>

namespace baton::server {

// Who tells them.
struct SpanOrigin {
    std::string service; // service.name
    std::string node;    // service.instance.id
    std::string version; // service.version
};

std::string otlp_json(std::span<const orchestrator::runtime::Span> spans, const SpanOrigin& origin);

} // namespace baton::server
