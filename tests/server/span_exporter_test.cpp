// Spans on their way to a collector: what they look like, and that a collector that is away costs
// spans and nothing else. That a real one understands them, tests/system/traces_test.py sees.
#include "base/json_text.hpp"
#include "server/span_exporter.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <chrono>

namespace baton::server {
namespace {

namespace json = boost::json;
using orchestrator::runtime::Span;

Span span() {
    Span made;
    made.trace = {0x0193a5c27d417abc, 0x8def0123456789ab};
    made.id = 0xb7ad6b7169203331;
    made.name = "step a";
    made.started = time_from_micros(1'700'000'000'000'001);
    made.ended = time_from_micros(1'700'000'000'500'000);
    made.attributes = {{"baton.step", "a"}, {"baton.attempt", std::int64_t{2}}};
    return made;
}

json::object written(const Span& one) {
    const auto all = read_json(otlp_json(std::span(&one, 1), {"baton", "node", "1.0"}));
    EXPECT_TRUE(all);
    return all->at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0).get_object();
}

TEST(OtlpJson, IsAsTheSpecificationHasIt) {
    const json::object said = written(span());

    EXPECT_EQ(said.at("traceId"), "0193a5c27d417abc8def0123456789ab");
    EXPECT_EQ(said.at("spanId"), "b7ad6b7169203331");
    EXPECT_EQ(said.at("kind"), 1);
    EXPECT_EQ(said.at("startTimeUnixNano"), "1700000000000001000") << "64 bits are a text";
    EXPECT_EQ(said.at("endTimeUnixNano"), "1700000000500000000");
    EXPECT_EQ(said.at("attributes"),
              (json::array{{{"key", "baton.step"}, {"value", {{"stringValue", "a"}}}},
                           {{"key", "baton.attempt"}, {"value", {{"intValue", "2"}}}}}));
    EXPECT_FALSE(said.contains("parentSpanId")) << "an id of zeros is none";
    EXPECT_FALSE(said.contains("status"));
}

TEST(OtlpJson, WhatFailedSaysSoInTextThatIsText) {
    Span failed = span();
    failed.parent = 1;
    failed.has_failed = true;
    failed.why = "bytes \xff";

    const json::object said = written(failed);

    EXPECT_EQ(said.at("parentSpanId"), "0000000000000001");
    EXPECT_EQ(said.at("status").at("code"), 2);
    EXPECT_EQ(said.at("status").at("message"), "bytes \xef\xbf\xbd");
}

TEST(SpanExporter, TheAddressIsThatOfTheCollectorOrOfItsTraces) {
    EXPECT_EQ(traces_url("http://c:4318"), "http://c:4318/v1/traces");
    EXPECT_EQ(traces_url("http://c:4318/"), "http://c:4318/v1/traces");
    EXPECT_EQ(traces_url("http://c/otlp/v1/traces"), "http://c/otlp/v1/traces");
}

TEST(SpanExporter, WhatFindsTheQueueFullIsCountedAndNobodyWaits) {
    Counter exported, dropped;
    SpanExporterOptions options;
    options.url = "http://127.0.0.1:1/v1/traces"; // nobody listens
    options.queued_max = 10;
    options.gather = std::chrono::milliseconds(1);
    options.farewell = std::chrono::milliseconds(200);
    const auto began = std::chrono::steady_clock::now();
    {
        SpanExporter exporter(options, exported, dropped);
        for (int i = 0; i < 50; ++i)
            exporter.add(span());
        EXPECT_EQ(dropped.value(), 40U);
    }
    EXPECT_EQ(dropped.value(), 50U) << "at the end they are gone";
    EXPECT_EQ(exported.value(), 0U);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

} // namespace
} // namespace baton::server
