// The log, on standard error, one line per happening: for people, with logfmt behind the message, or for collectors.
//   2026-01-31T12:04:10.123Z info  broker  listening address=127.0.0.1:5672
//   {"ts":"2026-01-31T12:04:10.123Z","level":"info","area":"broker","msg":"listening","address":"127.0.0.1:5672"}
// Thread safe. Nothing is both logged and returned: an error is logged where it stops travelling.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace baton::log {

enum class Level { debug, info, warning, error, off };

// A key with its value as text; values with spaces or quotes are quoted when printed, and
// what could forge a line or move a terminal is escaped (printable.hpp).
struct Field {
    template <typename Value>
    Field(std::string_view name, const Value& content)
        : key(name), value(fmt::format("{}", content)) {}
    std::string_view key;
    std::string value;
};

using Fields = std::initializer_list<Field>;

enum class Format { text, json };

// Process-wide; info and text at the start. Call before threads start or at any time after.
void set_level(Level level);
void set_format(Format format);
// The line as it would be written, without its end.
std::string line_of(Format format, Level level, std::string_view area, std::string_view message, Fields fields);
bool is_enabled(Level level);

void write(Level level, std::string_view area, std::string_view message, Fields fields);

// So many lines of this level were written since the start. What is not written is not counted.
std::uint64_t lines(Level level);

inline void debug(std::string_view area, std::string_view message, Fields fields = {}) {
    write(Level::debug, area, message, fields);
}
inline void info(std::string_view area, std::string_view message, Fields fields = {}) {
    write(Level::info, area, message, fields);
}
inline void warning(std::string_view area, std::string_view message, Fields fields = {}) {
    write(Level::warning, area, message, fields);
}
inline void error(std::string_view area, std::string_view message, Fields fields = {}) {
    write(Level::error, area, message, fields);
}

} // namespace baton::log
