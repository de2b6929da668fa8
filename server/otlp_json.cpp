#include "server/otlp_json.hpp"

#include "base/json_text.hpp"
#include "base/overloaded.hpp"
#include "base/utf8.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <variant>

namespace baton::server {

namespace json = boost::json;
using orchestrator::runtime::Span;

namespace {

// Numbers of 64 bits are texts, as protobuf's JSON has them.
std::string number(std::int64_t value) {
    return std::to_string(value);
}
std::string nanoseconds(Time time) {
    return number(micros_of(time) * 1000);
}

json::object attribute(std::string_view name, const Span::Value& value) {
    json::object said = std::visit(
        Overloaded{
            [](const std::string& text) { return json::object{{"stringValue", as_utf8(text)}}; },
            [](std::int64_t whole) { return json::object{{"intValue", number(whole)}}; }},
        value);
    return {{"key", name}, {"value", std::move(said)}};
}

json::object one_of(const Span& span) {
    constexpr int failed = 2; // STATUS_CODE_ERROR
    json::object out{{"traceId", trace::to_hex(span.trace)},
                     {"spanId", trace::to_hex(span.id)},
                     {"name", as_utf8(span.name)},
                     {"kind", static_cast<int>(span.kind)},
                     {"startTimeUnixNano", nanoseconds(span.started)},
                     {"endTimeUnixNano", nanoseconds(span.ended)}};
    if (span.parent != 0) out["parentSpanId"] = trace::to_hex(span.parent);
    if (!span.state.empty()) out["traceState"] = span.state;
    json::array attributes;
    for (const auto& [name, value] : span.attributes)
        attributes.push_back(attribute(name, value));
    out["attributes"] = std::move(attributes);
    if (span.has_failed)
        out["status"] = json::object{{"code", failed}, {"message", as_utf8(span.why)}};
    return out;
}

} // namespace

std::string otlp_json(std::span<const Span> spans, const SpanOrigin& origin) {
    json::array list;
    for (const Span& span : spans)
        list.push_back(one_of(span));
    json::array resource;
    resource.push_back(attribute("service.name", origin.service));
    resource.push_back(attribute("service.instance.id", origin.node));
    resource.push_back(attribute("service.version", origin.version));
    json::object scope{{"scope", json::object{{"name", "baton"}, {"version", origin.version}}},
                       {"spans", std::move(list)}};
    json::object of_resource{{"resource", json::object{{"attributes", std::move(resource)}}},
                             {"scopeSpans", json::array{std::move(scope)}}};
    return write_json(json::object{{"resourceSpans", json::array{std::move(of_resource)}}});
}

} // namespace baton::server
