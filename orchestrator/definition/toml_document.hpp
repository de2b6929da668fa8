// A TOML file as a tree that knows where everything stands. toml++ reads; its types stay inside the
// one source file that compiles it. Values are owned; nothing here is shared between threads.
#pragma once

#include "orchestrator/definition/diagnostic.hpp"

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

struct TomlEntry;

struct TomlNode {
    enum class Kind : std::uint8_t { text, integer, real, boolean, date_time, list, table };

    Kind kind = Kind::table;
    Position at; // of the value; of the header for a table or list that has one
    bool boolean = false;
    std::int64_t integer = 0;
    double real = 0;
    std::string text; // of a text; of a date or time, as RFC 3339 writes it
    std::vector<TomlNode> items;
    std::vector<TomlEntry> entries; // in the order of the file

    bool is_text() const { return kind == Kind::text; }
    bool is_integer() const { return kind == Kind::integer; }
    bool is_number() const { return kind == Kind::integer || kind == Kind::real; }
    bool is_boolean() const { return kind == Kind::boolean; }
    bool is_list() const { return kind == Kind::list; }
    bool is_table() const { return kind == Kind::table; }

    // The value of a table's key, null if absent or if this is no table.
    const TomlNode* find(std::string_view key) const;
};

struct TomlEntry {
    std::string key;
    Position at; // of the key
    TomlNode value;
};

// "a text", "an integer", "a number", "true or false", "a date", "a list", "a table".
std::string_view describe(TomlNode::Kind kind);

// Dates become text. Keys keep the order of the file.
boost::json::value to_json(const TomlNode& node);

// The node a JSON pointer of to_json(root) leads to; the deepest one there is when it leads
// nowhere.
const TomlNode& node_at(const TomlNode& root, std::string_view pointer);

// Largest file that is read. A workflow of a thousand steps has some 200 KiB.
inline constexpr std::size_t source_bytes_max = 1024 * 1024;
// Lists and tables inside one another, and dots in one key. Bounds the stack a file can use up.
inline constexpr std::size_t nesting_max = 32;
inline constexpr std::size_t dotted_key_max = 16;

struct TomlDocument {
    TomlNode root;
    std::vector<Diagnostic> diagnostics; // empty if the text is TOML; otherwise the first mistake
};

// Refuses, with a position, what is too large, no UTF-8, nested too deep or no TOML.
TomlDocument parse_toml(std::string_view source, std::string_view file);

} // namespace baton::orchestrator::definition
