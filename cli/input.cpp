#include "cli/input.hpp"

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "cli/output.hpp"

#include <fmt/format.h>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace baton::cli {

namespace json = boost::json;

namespace {

Failure wrong(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

std::string hex_digest(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr);
    std::string out;
    for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", bytes[i]);
    return out;
}

// Moves `at` behind the line end it stands on: \n, \r\n, or the lone \r of old spreadsheets.
void skip_line_end(std::string_view text, std::size_t& at, std::size_t& line) {
    if (text.substr(at).starts_with("\r\n")) ++at;
    ++at;
    ++line;
}

bool is_line_end(char c) { return c == '\n' || c == '\r'; }

// One record of a CSV text starting at `at`, which moves behind it; `line` counts line ends. The
// failure says what breaks RFC 4180: guessing what was meant has swallowed people. Only a quote inside
// a field that does not begin with one is taken as it is: 5" pipe, or the JSON of a column "name:=".
Outcome<std::vector<std::string>> next_record(std::string_view text, char separator, const std::string& file,
                                              std::size_t& at, std::size_t& line) {
    std::vector<std::string> fields(1);
    std::size_t opened = 0; // line of an open quote
    bool was_quoted = false;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (opened > 0) {
            if (c == '"' && at + 1 < text.size() && text[at + 1] == '"') {
                fields.back() += '"';
                ++at;
            } else if (c == '"') {
                opened = 0;
            } else {
                line += c == '\n' || (c == '\r' && !text.substr(at).starts_with("\r\n")) ? 1 : 0;
                fields.back() += c;
            }
        } else if (c == separator) {
            fields.emplace_back();
            was_quoted = false;
        } else if (is_line_end(c)) {
            skip_line_end(text, at, line);
            return fields;
        } else if (c == '"' && fields.back().empty() && !was_quoted) {
            opened = line;
            was_quoted = true;
        } else if (was_quoted) {
            return wrong(fmt::format("{}:{}: field {}: text stands behind the closing quote; double the quotes "
                                     "inside a field that is quoted",
                                     file, line, fields.size()));
        } else {
            fields.back() += c;
        }
    }
    if (opened > 0) return wrong(fmt::format("{}:{}: a quote opens here and never closes", file, opened));
    return fields;
}

// A comma, unless the first line has none and has a semicolon (spreadsheets in much of Europe) or a tab.
char separator_of(std::string_view text) {
    const auto first = text.substr(0, text.find_first_of("\r\n"));
    for (const char c : {',', ';', '\t'})
        if (first.find(c) != std::string_view::npos) return c;
    return ',';
}

bool is_blank(const std::vector<std::string>& fields) {
    return std::all_of(fields.begin(), fields.end(), [](const std::string& field) { return field.empty(); });
}

std::string trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

// The names of the columns, none twice and none inside another.
Outcome<void> check_names(const std::vector<std::string>& names, const std::string& file) {
    if (is_blank(names)) return wrong(file + ":1: the first line must name the columns");
    const auto plain = [](std::string_view name) { return name.ends_with(":=") ? name.substr(0, name.size() - 2) : name; };
    for (std::size_t i = 0; i < names.size(); ++i) {
        for (std::size_t k = 0; k < names.size(); ++k) {
            const auto one = plain(names[i]);
            const auto other = plain(names[k]);
            if (i == k || one.empty()) continue;
            if (one == other)
                return wrong(fmt::format("{}:1: columns {} and {} are both named '{}'", file, std::min(i, k) + 1, std::max(i, k) + 1, one));
            if (other.size() > one.size() && other.starts_with(one) && other[one.size()] == '.')
                return wrong(fmt::format("{}:1: column '{}' lies inside column '{}'; only one of them can be given", file, other, one));
        }
    }
    return boost::system::in_place_value;
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
        auto read = read_json(text);
        if (!read) return wrong(fmt::format("--set '{}': behind := must be JSON: {}", set, read.error().detail));
        value = std::move(*read);
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

std::vector<std::string> hints_about_sets(const std::vector<std::string>& sets, std::string_view reason) {
    std::vector<std::string> hints;
    for (const std::string_view set : sets) {
        const auto equals = set.find('=');
        if (equals == std::string_view::npos || equals == 0 || set[equals - 1] == ':') continue;
        const auto name = set.substr(0, equals);
        const auto complaint = fmt::format("input.{}: ", name);
        const auto at = reason.find(complaint);
        if (at == std::string_view::npos) continue;
        const auto line = reason.substr(at, reason.find('\n', at) - at);
        const auto meant = read_json(set.substr(equals + 1));
        if (line.ends_with("expected, got string") && meant && !meant->is_string())
            hints.push_back(fmt::format("--set {} gives a text; --set {}:={} gives what it says", set, name, set.substr(equals + 1)));
    }
    return hints;
}

Outcome<json::value> json_input(const std::string& input, std::string_view option) {
    std::string text = input;
    const bool is_file = input.starts_with('@');
    if (is_file) {
        BATON_ASSIGN(text, read_file(input.substr(1)));
    }
    BATON_ASSIGN(const auto clean, plain_text(text, is_file ? input.substr(1) : std::string(option)));
    auto value = read_json(clean);
    if (!value) return wrong(fmt::format("{} is not JSON that can be used: {}", option, value.error().detail));
    return value;
}

Outcome<json::object> run_input(const std::string& input, const std::vector<std::string>& sets, std::string_view option) {
    json::object object;
    if (!input.empty()) {
        auto value = json_input(input, option);
        if (!value) return value.error();
        if (!value->is_object()) return wrong(fmt::format("{} must be a JSON object such as '{{\"email\": \"ada@example.org\"}}'", option));
        object = std::move(value->as_object());
    }
    for (const auto& set : sets) BATON_TRY(apply_set(object, set));
    return object;
}

Outcome<std::string_view> plain_text(std::string_view text, const std::string& file) {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
        return wrong(fmt::format("{}: is UTF-16; save it as UTF-8", file));
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    std::size_t line = 1;
    std::size_t begins = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (is_line_end(text[at])) {
            skip_line_end(text, at, line);
            begins = at;
            continue;
        }
        const auto size = utf8_length(text.substr(at));
        if (size == 0 || text[at] == '\0')
            return wrong(fmt::format("{}:{}: byte 0x{:02X} at position {} is not UTF-8 text; save the file as UTF-8",
                                     file, line, static_cast<unsigned char>(text[at]), at - begins + 1));
        at += size;
    }
    return text;
}

Outcome<std::vector<LineInput>> parse_json_lines(std::string_view given, const std::string& file) {
    BATON_ASSIGN(const auto text, plain_text(given, file));
    std::vector<LineInput> inputs;
    std::size_t number = 1;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find_first_of("\r\n", at), text.size());
        const auto line = text.substr(at, end - at);
        const auto begins = number;
        at = end;
        if (at < text.size()) skip_line_end(text, at, number);
        if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
        auto value = read_json(line);
        if (!value) {
            const std::string why = value.error().detail; // "line 1, column 7: .."
            return wrong(fmt::format("{}:{}: not JSON that can be used: {}", file, begins, why.substr(why.find("column"))));
        }
        if (!value->is_object()) return wrong(fmt::format("{}:{}: each line must be a JSON object", file, begins));
        inputs.push_back({begins, std::move(value->as_object())});
    }
    return inputs;
}

Outcome<std::vector<LineInput>> parse_csv(std::string_view given, const std::string& file) {
    BATON_ASSIGN(const auto text, plain_text(given, file));
    std::size_t at = 0;
    std::size_t line = 1;
    const char separator = separator_of(text);
    BATON_ASSIGN(auto names, next_record(text, separator, file, at, line));
    for (auto& name : names) name = trimmed(name);
    BATON_TRY(check_names(names, file));
    std::vector<LineInput> inputs;
    while (at < text.size()) {
        const std::size_t begins = line;
        BATON_ASSIGN(const auto fields, next_record(text, separator, file, at, line));
        if (is_blank(fields)) continue; // spreadsheets leave such lines below the last one
        if (fields.size() != names.size())
            return wrong(fmt::format("{}:{}: {} fields, but the first line names {}", file, begins, fields.size(), names.size()));
        LineInput input{begins, {}};
        for (std::size_t i = 0; i < names.size(); ++i) {
            // "name:=" asks for JSON; apply_set knows how. An empty cell there says nothing.
            const bool is_json = names[i].ends_with(":=");
            if (fields[i].empty() && (is_json || names[i].empty())) continue;
            if (names[i].empty())
                return wrong(fmt::format("{}:{}: column {} has no name in the first line", file, begins, i + 1));
            const auto done = apply_set(input.input, names[i] + (is_json ? "" : "=") + fields[i]);
            if (!done) return wrong(fmt::format("{}:{}: column {}: {}", file, begins, i + 1, done.error().detail));
        }
        inputs.push_back(std::move(input));
    }
    return inputs;
}

Outcome<std::vector<LineInput>> read_inputs(const std::string& path) {
    BATON_ASSIGN(const auto text, read_file(path));
    if (path.ends_with(".csv")) return parse_csv(text, path);
    if (path.ends_with(".jsonl") || path.ends_with(".ndjson") || path == "-") return parse_json_lines(text, path);
    return wrong(fmt::format("'{}' must end in .csv or .jsonl", path));
}

std::string line_key(const std::string& batch, const json::object& input, std::size_t occurrence) {
    return "each:" + hex_digest(fmt::format("{}\n{}\n{}", batch, occurrence, write_json(input)));
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
