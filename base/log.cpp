#include "base/log.hpp"

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/printable.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>

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

// As a collector's line, which has its own time and level, only whole.
const char* pattern_of(Format format) {
    return format == Format::json ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";
}

std::atomic<Format> chosen_format{Format::text};

spdlog::logger& logger() {
    // Leaked on purpose: threads may still log while static objects are destroyed.
    static auto* const instance = [] {
        auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
        auto* made = new spdlog::logger("baton", std::move(sink));
        made->set_pattern(pattern_of(Format::text), spdlog::pattern_time_type::utc);
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

void append_log_json(std::string& line, std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            quoted += {'\\', c};
        else if (static_cast<unsigned char>(c) < 0x20)
            quoted += fmt::format("\\u{:04x}", c);
        else
            quoted += c;
    }
    line += printable_json(quoted + '"');
}

const char* word_of(Level level) {
    switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
    case Level::off: return "off";
    }
    return "";
}

bool is_member_of_every_line(std::string_view key) {
    return key == "ts" || key == "level" || key == "area" || key == "msg";
}

std::string json_line(Level level, std::string_view area, std::string_view message, Fields fields) {
    std::string line = fmt::format(R"({{"ts":"{}","level":"{}","area":)", to_rfc3339(SystemClock{}.now()), word_of(level));
    append_log_json(line, area);
    line += R"(,"msg":)";
    append_log_json(line, message);
    for (const Field& field : fields) {
        line += ',';
        append_log_json(line, is_member_of_every_line(field.key) ? std::string(field.key) + '_' : std::string(field.key));
        line += ':';
        append_log_json(line, field.value);
    }
    return line + '}';
}

std::string text_line(std::string_view area, std::string_view message, Fields fields) {
    std::string line = fmt::format("{:<12} {}", area, printable(message));
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    return line;
}

Counter& written(Level level) {
    static std::array<Counter, 5> counters;
    return counters[static_cast<std::size_t>(level)];
}

} // namespace

void set_level(Level level) { logger().set_level(spdlog_level(level)); }

void set_format(Format format) {
    chosen_format = format;
    logger().set_pattern(pattern_of(format), spdlog::pattern_time_type::utc);
}

std::string line_of(Format format, Level level, std::string_view area, std::string_view message, Fields fields) {
    return format == Format::json ? json_line(level, area, message, fields) : text_line(area, message, fields);
}

bool is_enabled(Level level) { return logger().should_log(spdlog_level(level)); }

std::uint64_t lines(Level level) { return written(level).value(); }

void write(Level level, std::string_view area, std::string_view message, Fields fields) {
    if (!is_enabled(level)) return;
    written(level).add();
    logger().log(spdlog_level(level), "{}", line_of(chosen_format, level, area, message, fields));
}

} // namespace baton::log
