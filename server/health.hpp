// What the parts of the server say about themselves, as /api/health shows it. Pure: figures in, parts out.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "web/api.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace baton::server {

struct HealthFigures {
    Time now;
    bool is_connected = false;           // to the broker
    Duration broker_silence{};           // since it has owed an answer
    bool is_second = false;              // another server with a broker of its own has the database
    std::uint64_t disk_free = 0;         // bytes, in the data folder
    std::uint64_t disk_free_limit = 0;   // below this the journal cannot grow
    Duration folder_silence{};           // since the folder of workflows does not answer
    std::vector<std::string> queue_troubles; // of OrchestratorService::ask_queues()
};

std::vector<web::HealthPart> health_parts(const HealthFigures& figures,
                                          const orchestrator::runtime::EngineMetrics& engine);

// Of a server that is a broker and nothing else.
std::vector<web::HealthPart> broker_health_parts(const HealthFigures& figures);

} // namespace baton::server
