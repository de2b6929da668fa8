// What this process uses of its machine, for metrics and the administration. Reads /proc.
#pragma once

#include "base/clock.hpp"
#include "web/broker/broker_port.hpp"

#include <optional>
#include <string>

namespace baton::server {

web::NodeFigures node_figures(const std::string& data_folder, Time started_at, Time now);

// When the first certificate of a PEM file ends; nothing: it cannot be read.
std::optional<Time> end_of_certificate(const std::string& file);

} // namespace baton::server
