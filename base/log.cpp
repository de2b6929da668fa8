#include "base/log.hpp"

#include "base/metrics.hpp"
#include "base/printable.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>

namespace baton::log {
namespace {

spdlog::level::level_enum spdlog_level(Level level) {
    switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: return spdlog::level::off;
    }
    return spdlog::level::info;
}

spdlog::logger& logger() {
    // Leaked on purpose: threads may still log while static objects are destroyed.
    static auto* const instance = [] {
        auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
        auto* made = new spdlog::logger("baton", std::move(sink));
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v", spdlog::pattern_time_type::utc);
        made->set_level(spdlog::level::info);
        return made;
    }();
    return *instance;
}

bool needs_quotes(std::string_view value) {
    return value.empty() || value.find_first_of(" \"=\\") != std::string_view::npos || !is_printable(value);
}

void append_value(std::string& line, std::string_view value) {
    if (!needs_quotes(value)) {
        line += value;
        return;
    }
    std::string quoted;
    quoted.reserve(value.size());
    for (const char c : value) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    line += '"' + printable(quoted) + '"';
}

Counter& written(Level level) {
    static std::array<Counter, 5> counters;
    return counters[static_cast<std::size_t>(level)];
}

} // namespace

void set_level(Level level) { logger().set_level(spdlog_level(level)); }

bool is_enabled(Level level) { return logger().should_log(spdlog_level(level)); }

std::uint64_t lines(Level level) { return written(level).value(); }

void write(Level level, std::string_view area, std::string_view message, Fields fields) {
    if (!is_enabled(level)) return;
    written(level).add();
    std::string line = fmt::format("{:<12} {}", area, printable(message));
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    logger().log(spdlog_level(level), "{}", line);
}

} // namespace baton::log
