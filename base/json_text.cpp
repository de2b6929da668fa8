// A handler for Boost's parser that looks at every number, and a writer.
#include "base/json_text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

namespace baton {

namespace json = boost::json;

namespace {

constexpr std::size_t number_text_max = 40;

// What Boost's parser calls, with its names.
struct Builder {
    static constexpr std::size_t max_object_size = json::object::max_size();
    static constexpr std::size_t max_array_size = json::array::max_size();
    static constexpr std::size_t max_key_size = json::string::max_size();
    static constexpr std::size_t max_string_size = json::string::max_size();

    bool exact_numbers = false;
    json::value_stack values{};
    std::string number{}; // its beginning, when it came in parts
    std::string complaint{};

    explicit Builder(bool exact) : exact_numbers(exact) {}

    bool on_document_begin(ErrorCode&) { return true; }
    bool on_document_end(ErrorCode&) { return true; }
    bool on_object_begin(ErrorCode&) { return true; }
    bool on_array_begin(ErrorCode&) { return true; }
    bool on_object_end(std::size_t count, ErrorCode&) {
        values.push_object(count);
        return true;
    }
    bool on_array_end(std::size_t count, ErrorCode&) {
        values.push_array(count);
        return true;
    }
    bool on_key_part(json::string_view text, std::size_t, ErrorCode&) {
        values.push_chars(text);
        return true;
    }
    bool on_key(json::string_view text, std::size_t, ErrorCode&) {
        values.push_key(text);
        return true;
    }
    bool on_string_part(json::string_view text, std::size_t, ErrorCode&) {
        values.push_chars(text);
        return true;
    }
    bool on_string(json::string_view text, std::size_t, ErrorCode&) {
        values.push_string(text);
        return true;
    }
    bool on_number_part(json::string_view text, ErrorCode&) {
        number.append(text.data(), text.size());
        return true;
    }
    bool on_int64(std::int64_t value, json::string_view, ErrorCode&) {
        number.clear();
        values.push_int64(value);
        return true;
    }
    bool on_uint64(std::uint64_t value, json::string_view, ErrorCode&) {
        number.clear();
        values.push_uint64(value);
        return true;
    }
    bool on_double(double value, json::string_view text, ErrorCode& error) {
        number.append(text.data(), text.size());
        const std::string written = std::exchange(number, {});
        // Boost rounds some of the last digits wrongly.
        double exact = value;
        const auto read = std::from_chars(written.data(), written.data() + written.size(), exact);
        if (read.ec == std::errc{} && read.ptr == written.data() + written.size()) value = exact;
        const bool is_whole = written.find_first_of(".eE") == std::string::npos;
        if (exact_numbers && (is_whole || !std::isfinite(value))) {
            complaint = is_whole ? fmt::format("the whole number {} does not fit into 64 bits; give it as text",
                                               shortened(written))
                                 : fmt::format("the number {} is too large for a double", shortened(written));
            error = json::error::exponent_overflow;
            return false;
        }
        values.push_double(value);
        return true;
    }
    bool on_bool(bool value, ErrorCode&) {
        values.push_bool(value);
        return true;
    }
    bool on_null(ErrorCode&) {
        values.push_null();
        return true;
    }
    bool on_comment_part(json::string_view, ErrorCode&) { return true; }
    bool on_comment(json::string_view, ErrorCode&) { return true; }

    static std::string shortened(const std::string& written) {
        return written.size() <= number_text_max ? written : written.substr(0, number_text_max) + "...";
    }
};

Failure failure_at(std::string_view text, std::size_t at, const ErrorCode& code, const std::string& why) {
    const auto before = text.substr(0, std::min(at, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto begins = before.rfind('\n');
    const auto column = begins == std::string_view::npos ? before.size() + 1 : before.size() - begins;
    return {code, fmt::format("line {}, column {}: {}", line, column, why)};
}

void append_text(std::string& out, json::string_view text) {
    const bool is_plain = std::none_of(text.begin(), text.end(), [](char c) {
        return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
    });
    if (!is_plain) {
        out += json::serialize(text);
        return;
    }
    out += '"';
    out.append(text.data(), text.size());
    out += '"';
}

void append_value(std::string& out, const json::value& value) {
    switch (value.kind()) {
    case json::kind::null: out += "null"; return;
    case json::kind::bool_: out += value.get_bool() ? "true" : "false"; return;
    case json::kind::int64: fmt::format_to(std::back_inserter(out), "{}", value.get_int64()); return;
    case json::kind::uint64: fmt::format_to(std::back_inserter(out), "{}", value.get_uint64()); return;
    case json::kind::double_: append_json(out, value.get_double()); return;
    case json::kind::string: append_text(out, value.get_string()); return;
    case json::kind::array: {
        char separator = '[';
        for (const json::value& item : value.get_array()) {
            out += std::exchange(separator, ',');
            append_value(out, item);
        }
        out += separator == '[' ? "[]" : "]";
        return;
    }
    case json::kind::object: {
        char separator = '{';
        for (const auto& member : value.get_object()) {
            out += std::exchange(separator, ',');
            append_text(out, member.key());
            out += ':';
            append_value(out, member.value());
        }
        out += separator == '{' ? "{}" : "}";
        return;
    }
    }
}

} // namespace

Outcome<json::value> read_json(std::string_view text, JsonRules rules) {
    json::parse_options options;
    options.max_depth = rules.depth_max;
    json::basic_parser<Builder> parser(options, rules.exact_numbers);
    Builder& builder = parser.handler();
    builder.values.reset();
    ErrorCode error;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    if (!error && read < text.size()) error = json::error::extra_data;
    if (!error) return builder.values.release();
    std::string why = builder.complaint;
    if (why.empty() && error == json::error::too_deep)
        why = fmt::format("it is nested more than {} levels deep", rules.depth_max);
    return failure_at(text, read, error, why.empty() ? error.message() : why);
}

std::string write_json(const json::value& value) {
    std::string out;
    append_value(out, value);
    return out;
}

void append_json(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    // Between these bounds people write digits, outside powers of ten; the bounds are JavaScript's.
    const double magnitude = std::fabs(value);
    const bool is_plain = magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21);
    char digits[64];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), value,
                                   is_plain ? std::chars_format::fixed : std::chars_format::scientific);
    const std::string_view written(digits, static_cast<std::size_t>(end.ptr - digits));
    out += written;
    if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

std::size_t json_depth(const json::value& value, std::size_t enough) {
    if (enough == 0) return 0;
    std::size_t deepest = 0;
    if (const auto* array = value.if_array()) {
        for (const json::value& item : *array) {
            deepest = std::max(deepest, json_depth(item, enough - 1));
            if (deepest + 1 >= enough) break;
        }
        return deepest + 1;
    }
    if (const auto* object = value.if_object()) {
        for (const auto& member : *object) {
            deepest = std::max(deepest, json_depth(member.value(), enough - 1));
            if (deepest + 1 >= enough) break;
        }
        return deepest + 1;
    }
    return 0;
}

} // namespace baton
