// When a part is degraded, and when it fails.
#include "server/health.hpp"

#include <fmt/format.h>

#include <chrono>
#include <optional>

namespace baton::server {

namespace {

using web::HealthPart;
using State = HealthPart::State;

// A commit may fail once and be well at the next try.
constexpr Duration store_patience = std::chrono::seconds(2);
// It is asked every few seconds, and an answer takes milliseconds. Missed heartbeats say so after a minute.
constexpr Duration broker_patience = std::chrono::seconds(10);
// A broker with slow disks confirms within a second or two.
constexpr Duration outbox_patience = std::chrono::seconds(15);
// Two servers on one database take the partitions from each other every second.
constexpr Duration fenced_lately = std::chrono::seconds(10);
// As many times the journal's reserve is when an operator should hear of it.
constexpr std::uint64_t disk_degraded_factor = 4;
constexpr std::size_t queues_named_max = 5;
// A look takes milliseconds; one over a slow network share a second.
constexpr Duration folder_look_patience = std::chrono::seconds(10);

std::uint64_t mebibytes(std::uint64_t bytes) { return bytes >> 20; }

// Nothing: it is 0, which means never.
std::optional<Duration> since(Time now, std::int64_t millis) {
    if (millis == 0) return std::nullopt;
    return now - time_from_micros(millis * 1000);
}

HealthPart store(Time now, const orchestrator::runtime::EngineMetrics& engine) {
    const auto failing = since(now, engine.store_failing_since.value());
    if (!failing || *failing < store_patience) return {"store", State::ok, {}};
    return {"store", State::failing,
            fmt::format("changes of runs cannot be stored since {} s; the server's log says why",
                        std::chrono::duration_cast<std::chrono::seconds>(*failing).count())};
}

HealthPart disk(const HealthFigures& figures) {
    if (figures.disk_free >= disk_degraded_factor * figures.disk_free_limit) return {"disk", State::ok, {}};
    const bool is_failing = figures.disk_free < figures.disk_free_limit;
    return {"disk", is_failing ? State::failing : State::degraded,
            fmt::format("{} MiB are free where the data folder is; below {} MiB nothing is taken any more",
                        mebibytes(figures.disk_free), mebibytes(figures.disk_free_limit))};
}

HealthPart outbox(const HealthFigures& figures, const orchestrator::runtime::EngineMetrics& engine) {
    if (engine.is_full.value() != 0)
        return {"outbox", State::failing,
                fmt::format("{} MiB of messages wait for the broker, nothing new is begun",
                            mebibytes(static_cast<std::uint64_t>(engine.unconfirmed_memory.value())))};
    const auto waiting = since(figures.now, engine.unconfirmed_since.value());
    if (!waiting || *waiting < outbox_patience) return {"outbox", State::ok, {}};
    return {"outbox", State::failing,
            fmt::format("messages of {} changes are not confirmed by the broker, the oldest since {} s",
                        engine.unpublished.value(),
                        std::chrono::duration_cast<std::chrono::seconds>(*waiting).count())};
}

HealthPart partitions(Time now, bool is_second, const orchestrator::runtime::EngineMetrics& engine) {
    if (is_second)
        return {"partitions", State::failing,
                "another server with a broker of its own works on this database; give this one its broker (broker.url), "
                "or a database of its own"};
    const auto fenced = since(now, engine.fenced_at.value());
    if (!fenced || *fenced > fenced_lately) return {"partitions", State::ok, {}};
    return {"partitions", State::failing, "another server on the same database takes the partitions over; stop one of them"};
}

HealthPart workflows(Duration silence) {
    if (silence < folder_look_patience) return {"workflows", State::ok, {}};
    return {"workflows", State::degraded,
            fmt::format("the folder of the workflows has not answered for {} s; what changes there is not deployed",
                        std::chrono::duration_cast<std::chrono::seconds>(silence).count())};
}

HealthPart workers(const std::vector<std::string>& troubles) {
    if (troubles.empty()) return {"workers", State::ok, {}};
    std::string reason;
    for (std::size_t i = 0; i < troubles.size() && i < queues_named_max; ++i)
        reason += (i == 0 ? "" : "; ") + troubles[i];
    if (troubles.size() > queues_named_max) reason += fmt::format("; and {} more", troubles.size() - queues_named_max);
    return {"workers", State::degraded, std::move(reason)};
}

HealthPart runs(const orchestrator::runtime::EngineMetrics& engine) {
    const auto unreadable = engine.unreadable_runs.value();
    if (unreadable == 0) return {"runs", State::ok, {}};
    return {"runs", State::degraded, fmt::format("{} runs cannot be read; /api/incidents names them", unreadable)};
}

} // namespace

std::vector<web::HealthPart> health_parts(const HealthFigures& figures,
                                          const orchestrator::runtime::EngineMetrics& engine) {
    HealthPart broker{"broker", State::ok, {}};
    if (!figures.is_connected)
        broker = {"broker", State::failing, "the orchestrator is not connected to the broker"};
    else if (figures.broker_silence >= broker_patience)
        broker = {"broker", State::failing,
                  fmt::format("the broker has not answered for {} s",
                              std::chrono::duration_cast<std::chrono::seconds>(figures.broker_silence).count())};
    return {store(figures.now, engine), std::move(broker), disk(figures), outbox(figures, engine),
            partitions(figures.now, figures.is_second, engine), workers(figures.queue_troubles), runs(engine), workflows(figures.folder_silence)};
}

std::vector<web::HealthPart> broker_health_parts(const HealthFigures& figures) {
    return {{"broker", State::ok, {}}, disk(figures)};
}

} // namespace baton::server
