#include "cli/ctl/columns.hpp"

#include "base/printable.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::cli::ctl {

namespace json = boost::json;

namespace {

const json::value* at_path(const json::value& row, std::string_view path) {
    const json::value* value = &row;
    while (value != nullptr && !path.empty()) {
        const auto end = std::min(path.find('.'), path.size());
        const auto* object = value->if_object();
        value = object == nullptr ? nullptr : object->if_contains(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return value;
}

json::value cell(const json::value& row, const Column& column) {
    if (column.path.empty()) return nullptr;
    const auto* found = at_path(row, column.path);
    return found == nullptr ? json::value(nullptr) : *found;
}

std::string quoted_csv(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

// Inside lists and tables.
std::string nested_text(const json::value& value) {
    if (value.is_string()) return json::serialize(value);
    return erlang_text(value);
}

std::string shown_as_is(const json::value& row, const Column& column) {
    const json::value value = cell(row, column);
    // Policies and limits are JSON for rabbitmqctl too; its own records of arguments are not.
    if (value.is_object() && (column.name == "definition" || column.name == "limits" || column.name == "value"))
        return json::serialize(value);
    if (column.name == "value") return json::serialize(value);
    // Tags are atoms in Erlang and have no quotes.
    if (const auto* list = value.if_array(); list != nullptr && column.name == "tags") {
        std::string out;
        for (const auto& tag : *list) out += fmt::format("{}{}", out.empty() ? "" : ", ", erlang_text(tag));
        return "[" + out + "]";
    }
    return erlang_text(value);
}

// One line per row, and none that moves the terminal, whatever stands in a name.
std::string shown(const json::value& row, const Column& column) { return printable(shown_as_is(row, column)); }

void print_json_rows(const std::vector<Column>& columns, const json::array& rows) {
    fmt::print("[\n");
    bool first = true;
    for (const auto& row : rows) {
        json::object out;
        for (const Column& column : columns) out[column.name] = cell(row, column);
        fmt::print("{}{}\n", first ? "" : ",", printable_json(json::serialize(out)));
        first = false;
    }
    fmt::print("]\n");
}

template <typename Show>
std::string column_list(const std::vector<Column>& columns, std::string_view separator, Show show) {
    std::string line;
    bool first = true;
    for (const Column& column : columns) {
        if (!first) line += separator;
        first = false;
        line += show(column);
    }
    return line;
}

} // namespace

std::string erlang_text(const json::value& value) {
    switch (value.kind()) {
    case json::kind::null: return {};
    case json::kind::string: return printable(std::string_view(value.as_string()));
    case json::kind::bool_:
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return json::serialize(value);
    case json::kind::array: {
        std::string out;
        for (const auto& item : value.as_array()) out += (out.empty() ? "" : ",") + nested_text(item);
        return "[" + out + "]";
    }
    case json::kind::object: {
        std::string out;
        for (const auto& entry : value.as_object())
            out += fmt::format("{}{{{},{}}}", out.empty() ? "" : ",", json::serialize(json::value(entry.key())),
                               nested_text(entry.value()));
        return "[" + out + "]";
    }
    }
    return {};
}

std::optional<std::vector<Column>> chosen_columns(Work& work, std::span<const Column> known,
                                                  std::initializer_list<std::string_view> otherwise) {
    std::vector<std::string> names;
    for (const auto& value : work.arguments().values) {
        // One argument may hold several names, as in "name messages" or "name,messages".
        std::string_view rest = value;
        while (!rest.empty()) {
            const auto end = std::min(rest.find_first_of(", "), rest.size());
            if (end > 0) names.emplace_back(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    if (names.empty()) names.assign(otherwise.begin(), otherwise.end());
    std::vector<Column> chosen;
    std::string unknown;
    for (const auto& name : names) {
        const auto found = std::ranges::find(known, name, &Column::name);
        if (found == known.end())
            unknown += (unknown.empty() ? "" : ", ") + name;
        else
            chosen.push_back(*found);
    }
    if (unknown.empty()) return chosen;
    std::string all;
    for (const Column& column : known) all += fmt::format("{}{}", all.empty() ? "" : ", ", column.name);
    work.fail_usage(fmt::format("Info key(s) {} are not supported; known are {}", unknown, all));
    return std::nullopt;
}

void print_rows(Work& work, const std::vector<Column>& columns, const json::array& rows) {
    const auto formatter = work.arguments().option("formatter", "table");
    if (formatter == "json") return print_json_rows(columns, rows);
    if (rows.empty()) return;
    const bool is_csv = formatter == "csv";
    const std::string_view separator = is_csv ? "," : "\t";
    const bool has_heading = !work.arguments().has("no-table-headers") && !work.arguments().has("silent");
    if (has_heading)
        fmt::print("{}\n", column_list(columns, separator, [&](const Column& column) {
                       return is_csv ? quoted_csv(column.name) : std::string(column.name);
                   }));
    for (const auto& row : rows)
        fmt::print("{}\n", column_list(columns, separator, [&](const Column& column) {
                       const auto text = shown(row, column);
                       return is_csv ? quoted_csv(text) : text;
                   }));
}

} // namespace baton::cli::ctl
