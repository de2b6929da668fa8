// TOML to our own tree. The only file of this room that sees toml++, and where it is compiled.
#include "orchestrator/definition/toml_document.hpp"

#include "orchestrator/definition/source_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

// Failures come back as values.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts, or lets the optimiser assume, what a file can break: "[#" is enough. Behind each
// of these assertions stands the ordinary error, which is what we want.
#define TOML_ASSERT(expression) static_assert(true)
#ifdef NDEBUG
#undef NDEBUG
#endif
#include <toml++/toml.h>

namespace baton::orchestrator::definition {

namespace {

Position position_of(const toml::source_position& place) {
    return {std::max<std::uint32_t>(1, place.line), std::max<std::uint32_t>(1, place.column)};
}

std::string text_of(const toml::date& date) {
    return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string text_of(const toml::time& time) {
    std::string text = fmt::format("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    if (time.nanosecond != 0) {
        std::string fraction = fmt::format("{:09}", time.nanosecond);
        while (fraction.ends_with('0'))
            fraction.pop_back();
        text += "." + fraction;
    }
    return text;
}

std::string text_of(const toml::date_time& moment) {
    std::string text = text_of(moment.date) + "T" + text_of(moment.time);
    if (!moment.offset) return text;
    const int minutes = moment.offset->minutes;
    if (minutes == 0) return text + "Z";
    const int size = minutes < 0 ? -minutes : minutes;
    return text + fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', size / 60, size % 60);
}

// The depth of the recursion is bounded by check_nesting().
TomlNode converted(const toml::node& from) {
    TomlNode node;
    node.at = position_of(from.source().begin);
    switch (from.type()) {
    case toml::node_type::table:
        node.kind = TomlNode::Kind::table;
        for (const auto& [key, value] : *from.as_table())
            node.entries.push_back(
                {std::string(key.str()), position_of(key.source().begin), converted(value)});
        // toml++ sorts by name; people read from top to bottom.
        std::sort(node.entries.begin(), node.entries.end(),
                  [](const TomlEntry& a, const TomlEntry& b) { return a.at < b.at; });
        break;
    case toml::node_type::array:
        node.kind = TomlNode::Kind::list;
        for (const toml::node& item : *from.as_array())
            node.items.push_back(converted(item));
        break;
    case toml::node_type::string:
        node.kind = TomlNode::Kind::text;
        node.text = from.as_string()->get();
        break;
    case toml::node_type::integer:
        node.kind = TomlNode::Kind::integer;
        node.integer = from.as_integer()->get();
        break;
    case toml::node_type::floating_point:
        node.kind = TomlNode::Kind::real;
        node.real = from.as_floating_point()->get();
        break;
    case toml::node_type::boolean:
        node.kind = TomlNode::Kind::boolean;
        node.boolean = from.as_boolean()->get();
        break;
    case toml::node_type::date:
        node.kind = TomlNode::Kind::date_time;
        node.text = text_of(from.as_date()->get());
        break;
    case toml::node_type::time:
        node.kind = TomlNode::Kind::date_time;
        node.text = text_of(from.as_time()->get());
        break;
    case toml::node_type::date_time:
        node.kind = TomlNode::Kind::date_time;
        node.text = text_of(from.as_date_time()->get());
        break;
    case toml::node_type::none:
        break;
    }
    return node;
}

// The first number in the tree that JSON cannot say, null if there is none.
const TomlNode* find_not_finite(const TomlNode& node) {
    if (node.kind == TomlNode::Kind::real && !std::isfinite(node.real)) return &node;
    for (const TomlNode& item : node.items)
        if (const TomlNode* found = find_not_finite(item)) return found;
    for (const TomlEntry& entry : node.entries)
        if (const TomlNode* found = find_not_finite(entry.value)) return found;
    return nullptr;
}

// Walks over the raw text before toml++ does: its tables are freed recursively, so what is nested
// too deep has to be refused before it is built.
class NestingScan {
public:
    explicit NestingScan(std::string_view text) : text_(text) {}

    struct Refusal {
        std::size_t offset;
        std::string message;
    };

    std::optional<Refusal> run() {
        while (at_ < text_.size()) {
            const char character = text_[at_];
            if (character == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
                continue;
            }
            if (character == '"' || character == '\'') {
                skip_string(character);
                continue;
            }
            if (auto refusal = count(character)) return refusal;
            ++at_;
        }
        return std::nullopt;
    }

private:
    std::optional<Refusal> count(char character) {
        switch (character) {
        case '[':
        case '{':
            dots_ = 0;
            if (++depth_ > nesting_max)
                return Refusal{at_, fmt::format("more than {} lists and tables inside one another",
                                                nesting_max)};
            break;
        case ']':
        case '}':
            dots_ = 0;
            if (depth_ > 0) --depth_;
            break;
        case '.':
            if (++dots_ > dotted_key_max)
                return Refusal{at_, fmt::format("a name with more than {} dots", dotted_key_max)};
            break;
        case '=':
        case ',':
        case '\n':
            dots_ = 0;
            break;
        default:
            break;
        }
        return std::nullopt;
    }

    void skip_string(char quote) {
        const bool is_multi_line = text_.substr(at_, 3) == std::string(3, quote);
        const std::size_t quotes = is_multi_line ? 3 : 1;
        at_ += quotes;
        while (at_ < text_.size()) {
            const char character = text_[at_];
            if (quote == '"' && character == '\\') {
                at_ += 2;
                continue;
            }
            if (character == '\n' && !is_multi_line) return;
            if (text_.substr(at_, quotes) == std::string(quotes, quote)) {
                at_ += quotes;
                // Up to two quotes may stand before the closing three.
                while (is_multi_line && at_ < text_.size() && text_[at_] == quote)
                    ++at_;
                return;
            }
            ++at_;
        }
        at_ = std::min(at_, text_.size());
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    std::size_t dots_ = 0;
};

Diagnostic mistake(std::string_view file, Position at, std::string message) {
    Diagnostic diagnostic;
    diagnostic.file = file;
    diagnostic.line = at.line;
    diagnostic.column = at.column;
    diagnostic.message = std::move(message);
    return diagnostic;
}

std::optional<Diagnostic> refused_before_parsing(std::string_view source, std::string_view file) {
    if (source.size() > source_bytes_max)
        return mistake(file, {},
                       fmt::format("the file has {} bytes; a workflow file has at most {}",
                                   source.size(), source_bytes_max));
    const SourceText text(source);
    if (const auto offset = first_invalid_utf8(source))
        return mistake(
            file, text.position_of(*offset),
            fmt::format("byte 0x{:02x} is not UTF-8", static_cast<unsigned char>(source[*offset])));
    if (const std::size_t offset = source.find('\0'); offset != std::string_view::npos)
        return mistake(file, text.position_of(offset), "a NUL byte; this is no text file");
    if (const auto refusal = NestingScan(source).run())
        return mistake(file, text.position_of(refusal->offset), refusal->message);
    return std::nullopt;
}

// What toml++ says about a mistake: "Error while parsing SUBJECT: DETAIL".
struct SyntaxError {
    std::string subject;
    std::string detail;
    Position at;
};

SyntaxError split(const toml::parse_error& error) {
    constexpr std::string_view prefix = "Error while parsing ";
    const std::string message(error.description());
    const std::size_t colon = message.find(": ");
    const Position at = position_of(error.source().begin);
    if (!message.starts_with(prefix) || colon == std::string::npos) return {"", message, at};
    return {message.substr(prefix.size(), colon - prefix.size()), message.substr(colon + 2), at};
}

// A key that stands twice in a table: the reader stops behind the second, people look at the key.
Diagnostic key_given_twice(const SyntaxError& error, const SourceText& text,
                           std::string_view file) {
    const std::size_t quote = error.detail.find('\'');
    const std::string name =
        quote == std::string::npos
            ? ""
            : error.detail.substr(quote + 1, error.detail.rfind('\'') - quote - 1);
    if (name.empty()) return mistake(file, error.at, "this is not TOML: " + error.detail);
    Position at = error.at;
    const std::string_view line = text.line(at.line);
    const std::size_t before = text.offset_of(at) - text.offset_of({at.line, 1});
    const std::size_t found = line.substr(0, before).rfind(name);
    if (found != std::string_view::npos)
        at.column = static_cast<std::uint32_t>(code_point_count(line.substr(0, found)) + 1);
    return mistake(file, at, fmt::format("'{}' is already given in this table", name));
}

// The commonest slips get their own words; for the rest the reader's words are good.
Diagnostic syntax_mistake(const toml::parse_error& parse_error, std::string_view source,
                          std::string_view file) {
    const SourceText text(source);
    const SyntaxError error = split(parse_error);
    if (error.subject == "key-value pair" && error.detail.starts_with("cannot redefine existing "))
        return key_given_twice(error, text, file);
    const std::size_t offset = text.offset_of(error.at);
    const bool is_at_line_end =
        offset >= source.size() || source[offset] == '\n' || source[offset] == '\r';
    if (is_at_line_end && (error.subject == "string" || error.subject == "literal string"))
        return mistake(file, error.at, "the text is not closed");
    if (is_at_line_end && error.subject == "inline table") {
        Diagnostic diagnostic =
            mistake(file, error.at, "a table in braces must end on the line where it begins");
        diagnostic.hint = "a longer one is written as a table of its own, such as [step.with]";
        return diagnostic;
    }
    const std::string where =
        error.subject.empty() ? "" : fmt::format(" (while reading: {})", error.subject);
    return mistake(file, error.at, fmt::format("this is not TOML: {}{}", error.detail, where));
}

} // namespace

const TomlNode* TomlNode::find(std::string_view key) const {
    for (const TomlEntry& entry : entries)
        if (entry.key == key) return &entry.value;
    return nullptr;
}

std::string_view describe(TomlNode::Kind kind) {
    switch (kind) {
    case TomlNode::Kind::text:
        return "a text";
    case TomlNode::Kind::integer:
        return "an integer";
    case TomlNode::Kind::real:
        return "a number with a fraction";
    case TomlNode::Kind::boolean:
        return "true or false";
    case TomlNode::Kind::date_time:
        return "a date";
    case TomlNode::Kind::list:
        return "a list";
    case TomlNode::Kind::table:
        return "a table";
    }
    return "a value";
}

boost::json::value to_json(const TomlNode& node) {
    switch (node.kind) {
    case TomlNode::Kind::text:
    case TomlNode::Kind::date_time:
        return boost::json::string(node.text);
    case TomlNode::Kind::integer:
        return node.integer;
    case TomlNode::Kind::real:
        return node.real;
    case TomlNode::Kind::boolean:
        return node.boolean;
    case TomlNode::Kind::list: {
        boost::json::array items;
        for (const TomlNode& item : node.items)
            items.push_back(to_json(item));
        return items;
    }
    case TomlNode::Kind::table: {
        boost::json::object object;
        for (const TomlEntry& entry : node.entries)
            object[entry.key] = to_json(entry.value);
        return object;
    }
    }
    return nullptr;
}

const TomlNode& node_at(const TomlNode& root, std::string_view pointer) {
    const TomlNode* node = &root;
    while (pointer.starts_with('/')) {
        pointer.remove_prefix(1);
        const std::size_t end = std::min(pointer.find('/'), pointer.size());
        std::string name;
        for (std::size_t i = 0; i < end; ++i) {
            if (pointer[i] == '~' && i + 1 < end) {
                name += pointer[++i] == '1' ? '/' : '~';
            } else {
                name += pointer[i];
            }
        }
        pointer.remove_prefix(end);
        const TomlNode* next = nullptr;
        if (node->is_table()) next = node->find(name);
        if (node->is_list()) {
            std::size_t index = SIZE_MAX;
            const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
            if (read.ec == std::errc{} && index < node->items.size()) next = &node->items[index];
        }
        if (next == nullptr) return *node;
        node = next;
    }
    return *node;
}

TomlDocument parse_toml(std::string_view source, std::string_view file) {
    TomlDocument document;
    if (auto refusal = refused_before_parsing(source, file)) {
        document.diagnostics.push_back(std::move(*refusal));
        return document;
    }
    const toml::parse_result parsed = toml::parse(source);
    if (!parsed) {
        document.diagnostics.push_back(syntax_mistake(parsed.error(), source, file));
        return document;
    }
    document.root = converted(parsed.table());
    if (const TomlNode* node = find_not_finite(document.root))
        document.diagnostics.push_back(
            mistake(file, node->at, "inf and nan are no numbers that data can have"));
    return document;
}

} // namespace baton::orchestrator::definition
