#include "cli/input.hpp"

#include "cli/output.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace baton::cli {

namespace json = boost::json;

namespace {

Failure wrong(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

// One record of a CSV text starting at `at`, which moves behind it; `line` counts line ends.
std::vector<std::string> next_record(std::string_view text, std::size_t& at, std::size_t& line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (quoted) {
            if (c == '"' && at + 1 < text.size() && text[at + 1] == '"') {
                fields.back() += '"';
                ++at;
            } else if (c == '"') {
                quoted = false;
            } else {
                line += c == '\n' ? 1 : 0;
                fields.back() += c;
            }
        } else if (c == '"' && fields.back().empty()) {
            quoted = true;
        } else if (c == ',') {
            fields.emplace_back();
        } else if (c == '\n') {
            ++at;
            ++line;
            break;
        } else if (c != '\r') {
            fields.back() += c;
        }
    }
    return fields;
}

} // namespace

Outcome<void> apply_set(json::object& object, std::string_view set) {
    const auto equals = set.find('=');
    if (equals == std::string_view::npos || equals == 0)
        return wrong(fmt::format("--set '{}' must be name=text or name:=json", set));
    const bool is_json = set[equals - 1] == ':';
    std::string_view name = set.substr(0, is_json ? equals - 1 : equals);
    const std::string_view text = set.substr(equals + 1);
    json::value value(text);
    if (is_json) {
        ErrorCode error;
        value = json::parse(text, error);
        if (error) return wrong(fmt::format("--set '{}': behind := must be JSON: {}", set, error.message()));
    }
    json::object* target = &object;
    for (auto dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
        auto& inner = (*target)[name.substr(0, dot)];
        if (!inner.is_object()) inner = json::object{};
        target = &inner.as_object();
        name.remove_prefix(dot + 1);
    }
    (*target)[name] = std::move(value);
    return boost::system::in_place_value;
}

Outcome<json::object> run_input(const std::string& input, const std::vector<std::string>& sets) {
    json::object object;
    if (!input.empty()) {
        std::string text = input;
        if (input.front() == '@') {
            BATON_ASSIGN(text, read_file(input.substr(1)));
        }
        ErrorCode error;
        auto value = json::parse(text, error);
        if (error) return wrong("--input is not JSON: " + error.message());
        if (!value.is_object()) return wrong("--input must be a JSON object such as '{\"email\": \"ada@example.org\"}'");
        object = std::move(value.as_object());
    }
    for (const auto& set : sets) BATON_TRY(apply_set(object, set));
    return object;
}

Outcome<std::vector<json::object>> parse_json_lines(std::string_view text, const std::string& file) {
    std::vector<json::object> inputs;
    std::size_t number = 0;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        ErrorCode error;
        auto value = json::parse(line, error);
        if (error) return wrong(fmt::format("{}:{}: not JSON: {}", file, number, error.message()));
        if (!value.is_object()) return wrong(fmt::format("{}:{}: each line must be a JSON object", file, number));
        inputs.push_back(std::move(value.as_object()));
    }
    return inputs;
}

Outcome<std::vector<json::object>> parse_csv(std::string_view text, const std::string& file) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    std::size_t at = 0;
    std::size_t line = 1;
    const auto names = next_record(text, at, line);
    if (names.size() == 1 && names[0].empty()) return wrong(file + ":1: the first line must name the columns");
    std::vector<json::object> inputs;
    while (at < text.size()) {
        const std::size_t begins = line;
        const auto fields = next_record(text, at, line);
        if (fields.size() == 1 && fields[0].empty()) continue;
        if (fields.size() != names.size())
            return wrong(fmt::format("{}:{}: {} fields, but the first line names {}", file, begins, fields.size(), names.size()));
        json::object input;
        for (std::size_t i = 0; i < names.size(); ++i) {
            // "name:=" asks for JSON; apply_set knows how.
            const bool is_json = names[i].ends_with(":=");
            const auto done = apply_set(input, names[i] + (is_json ? "" : "=") + fields[i]);
            if (!done) return wrong(fmt::format("{}:{}: column {}: {}", file, begins, i + 1, done.error().detail));
        }
        inputs.push_back(std::move(input));
    }
    return inputs;
}

Outcome<std::vector<json::object>> read_inputs(const std::string& path) {
    BATON_ASSIGN(const auto text, read_file(path));
    if (path.ends_with(".csv")) return parse_csv(text, path);
    if (path.ends_with(".jsonl") || path.ends_with(".ndjson") || path == "-") return parse_json_lines(text, path);
    return wrong(fmt::format("'{}' must end in .csv or .jsonl", path));
}

std::optional<std::chrono::milliseconds> parse_limit(const std::string& text) {
    std::size_t used = 0;
    double number = 0;
    try {
        number = std::stod(text, &used);
    } catch (const std::exception&) {
        return std::nullopt;
    }
    const auto unit = text.substr(used);
    const double scale = unit == "ms" ? 1 : unit == "s" || unit.empty() ? 1000 : unit == "m" ? 60'000 : unit == "h" ? 3'600'000 : 0;
    if (scale == 0 || number <= 0 || number * scale > 3'600'000) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(number * scale));
}

} // namespace baton::cli
