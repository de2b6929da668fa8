// Tells a collector of traces (OTLP over HTTP, as JSON) of spans. Whoever has one only puts it into
// a queue that has an end: what finds it full, or what the collector does not take, is counted and
// gone. So a collector that is slow or away holds nobody up, and nothing of a run depends on it.
//
// add() on any thread; a thread of its own does the rest.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/span.hpp"
#include "server/otlp_json.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::server {

struct SpanExporterOptions {
    std::string url;                  // of the collector's /v1/traces
    std::vector<std::string> headers; // "name: value", for collectors that want a key
    SpanOrigin origin;
    std::size_t queued_max = 4096; // spans; some megabytes at most
    std::size_t batch_max = 512;
    Duration gather = std::chrono::seconds(1); // a batch waits so long for others
    Duration limit = std::chrono::seconds(10); // for the collector's answer
    Duration pause_min = std::chrono::seconds(1);
    Duration pause_max = std::chrono::seconds(30);
    Duration farewell = std::chrono::milliseconds(1500); // for what is still there at the end
};

// "http://collector:4318" is where its /v1/traces is.
std::string traces_url(std::string endpoint);

class SpanExporter {
public:
    // The counters must outlive it.
    SpanExporter(SpanExporterOptions options, Counter& exported, Counter& dropped);
    // What is still there is told, if that is quick.
    ~SpanExporter();
    SpanExporter(const SpanExporter&) = delete;

    void add(orchestrator::runtime::Span span);

private:
    struct Answer {
        bool is_taken = false;
        bool may_be_repeated = false;
        std::optional<Duration> after; // Retry-After
        std::string why;
    };
    void run();
    void gather_more();
    void send(Duration limit);
    Answer post(const std::string& body, Duration limit) const;
    void settle(const Answer& answer, std::size_t count);

    SpanExporterOptions options_;
    Counter& exported_;
    Counter& dropped_;
    Gauge queued_; // not settled yet
    Mailbox<orchestrator::runtime::Span> mailbox_;
    // On the thread.
    std::vector<orchestrator::runtime::Span> waiting_;
    Time not_before_{};
    Duration pause_{};
    bool is_away_ = false; // said once
    bool is_last_ = false; // nothing is repeated any more
    Thread thread_;
};

} // namespace baton::server
