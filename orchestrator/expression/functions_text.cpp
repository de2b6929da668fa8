// Text: searching, cutting, changing; regular expressions; base64 and checksums. Positions count
// characters (code points), never bytes.
#include "base/base64.hpp"
#include "orchestrator/expression/digest.hpp"
#include "orchestrator/expression/functions.hpp"
#include "orchestrator/expression/lexer.hpp"
#include "orchestrator/expression/operators.hpp"
#include "orchestrator/expression/text_case.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace baton::orchestrator::expression {

namespace {

using Arguments = std::span<const Value>;

// The byte where character number `index` begins; nothing if the text has fewer characters.
std::optional<std::size_t> byte_of(std::string_view text, std::int64_t index) {
    std::size_t at = 0;
    for (std::int64_t i = 0; i < index; ++i) {
        if (at >= text.size()) return std::nullopt;
        take_code_point(text, at);
    }
    return index < 0 ? std::nullopt : std::optional{at};
}

std::int64_t characters(std::string_view text) {
    std::int64_t count = 0;
    for (std::size_t at = 0; at < text.size(); ++count)
        take_code_point(text, at);
    return count;
}

// As text.find(), but linear in the worst case: glibc's memmem is a two-way search.
std::size_t find_text(std::string_view text, std::string_view wanted, std::size_t from = 0) {
    if (from > text.size()) return std::string_view::npos;
    const void* found =
        ::memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
    if (found == nullptr) return wanted.empty() ? from : std::string_view::npos;
    return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

bool outside(Work& work, const Value& index, std::string_view text) {
    return work.fail(ErrorKind::argument,
                     fmt::format("position {} is outside a text of {} characters",
                                 index.as_integer(), characters(text)));
}

bool visit_texts(Work& work, Arguments arguments) {
    for (const Value& argument : arguments)
        if (argument.kind() == Kind::text && !work.visit_text(argument.as_text())) return false;
    return true;
}

bool contains_value(Work& work, Arguments arguments, Value& result) {
    if (arguments[0].kind() == Kind::list) {
        bool found = false;
        const List& list = arguments[0].as_list();
        for (std::size_t i = 0; i < list.size() && !found; ++i)
            if (!work.compare(list.at(i), arguments[1], found)) return false;
        result = Value::boolean(found);
        return true;
    }
    if (arguments[1].kind() != Kind::text)
        return work.fail(
            ErrorKind::no_overload,
            fmt::format("no such overload: contains(string, {})", plain_name(arguments[1].kind())));
    if (!visit_texts(work, arguments)) return false;
    const std::size_t found = find_text(arguments[0].as_text(), arguments[1].as_text());
    result = Value::boolean(found != std::string_view::npos);
    return true;
}

bool starts_with(Work& work, Arguments arguments, Value& result) {
    if (!work.visit_text(arguments[1].as_text())) return false;
    result = Value::boolean(arguments[0].as_text().starts_with(arguments[1].as_text()));
    return true;
}

bool ends_with(Work& work, Arguments arguments, Value& result) {
    if (!work.visit_text(arguments[1].as_text())) return false;
    result = Value::boolean(arguments[0].as_text().ends_with(arguments[1].as_text()));
    return true;
}

bool matches(Work& work, Arguments arguments, Value& result) {
    const std::string_view pattern = arguments[1].as_text();
    // Compiling is dearer than most expressions as a whole.
    if (!work.visit(1'000 + pattern.size() * 50)) return false;
    std::string problem;
    const auto compiled = compile_pattern(pattern, problem);
    if (!compiled) return work.fail(ErrorKind::argument, std::move(problem));
    return matches_pattern(work, *compiled, arguments[0], result);
}

bool split(Work& work, Arguments arguments, Value& result) {
    if (!visit_texts(work, arguments)) return false;
    std::string_view rest = arguments[0].as_text();
    const std::string_view separator = arguments[1].as_text();
    std::int64_t limit = arguments.size() > 2 ? arguments[2].as_integer() : -1;
    if (limit < 0) limit = std::numeric_limits<std::int64_t>::max();
    std::vector<Value> parts;
    while (limit > 0) {
        std::size_t end = find_text(rest, separator);
        if (separator.empty()) {
            // Into characters; an empty text has none.
            if (rest.empty()) break;
            end = 0;
            take_code_point(rest, end);
            if (end == rest.size()) end = std::string_view::npos;
        }
        if (limit == 1) end = std::string_view::npos;
        if (!work.visit() || !work.make(value_weight + std::min(end, rest.size()))) return false;
        parts.push_back(Value::text(rest.substr(0, end)));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + separator.size());
        --limit;
    }
    result = Value::list(std::move(parts));
    return true;
}

bool join(Work& work, Arguments arguments, Value& result) {
    const List& list = arguments[0].as_list();
    const std::string_view separator = arguments.size() > 1 ? arguments[1].as_text() : "";
    constexpr Kinds joined =
        kinds(Kind::text, Kind::boolean, Kind::integer, Kind::unsigned_integer, Kind::real);
    std::string text;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Value item = list.at(i);
        if (!contains(joined, item.kind()))
            return work.fail(ErrorKind::no_overload,
                             fmt::format("join() takes strings and numbers, item {} is {}", i,
                                         with_article(item.kind())));
        if (!work.visit()) return false;
        if (i > 0) text += separator;
        if (item.kind() == Kind::text)
            text += item.as_text();
        else
            text += to_plain_text(item);
        if (text.size() > work.bytes_left()) return work.make(text.size());
    }
    return work.give(result, std::move(text));
}

bool replace(Work& work, Arguments arguments, Value& result) {
    if (!visit_texts(work, arguments)) return false;
    std::string_view rest = arguments[0].as_text();
    const std::string_view from = arguments[1].as_text();
    const std::string_view to = arguments[2].as_text();
    if (from.empty())
        return work.fail(ErrorKind::argument, "replace() cannot search for an empty text");
    std::int64_t limit = arguments.size() > 3 ? arguments[3].as_integer() : -1;
    std::string text;
    while (limit != 0) {
        const std::size_t found = find_text(rest, from);
        if (found == std::string_view::npos) break;
        text.append(rest.substr(0, found)).append(to);
        rest.remove_prefix(found + from.size());
        if (limit > 0) --limit;
        if (!work.visit()) return false;
        if (text.size() > work.bytes_left()) return work.make(text.size());
    }
    text.append(rest);
    return work.give(result, std::move(text));
}

template <std::uint32_t (*Change)(std::uint32_t)>
bool changed(Work& work, Arguments arguments, Value& result) {
    if (!visit_texts(work, arguments)) return false;
    const std::string_view text = arguments[0].as_text();
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();)
        append_utf8(out, Change(take_code_point(text, at)));
    return work.give(result, std::move(out));
}

std::uint32_t lower_ascii(std::uint32_t c) {
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}
std::uint32_t upper_ascii(std::uint32_t c) {
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}

bool is_space(std::uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool trim(Work& work, Arguments arguments, Value& result) {
    if (!visit_texts(work, arguments)) return false;
    const std::string_view text = arguments[0].as_text();
    std::size_t begin = text.size();
    std::size_t end = text.size();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t here = at;
        if (is_space(take_code_point(text, at))) continue;
        begin = std::min(begin, here);
        end = at;
    }
    return work.give(result, std::string{text.substr(begin, begin < end ? end - begin : 0)});
}

bool substring(Work& work, Arguments arguments, Value& result) {
    if (!visit_texts(work, arguments)) return false;
    const std::string_view text = arguments[0].as_text();
    const auto begin = byte_of(text, arguments[1].as_integer());
    if (!begin) return outside(work, arguments[1], text);
    if (arguments.size() == 2) return work.give(result, std::string{text.substr(*begin)});
    const auto end = byte_of(text, arguments[2].as_integer());
    if (!end) return outside(work, arguments[2], text);
    if (*end < *begin) return work.fail(ErrorKind::argument, "substring() ends before it begins");
    return work.give(result, std::string{text.substr(*begin, *end - *begin)});
}

bool char_at(Work& work, Arguments arguments, Value& result) {
    if (!visit_texts(work, arguments)) return false;
    const std::string_view text = arguments[0].as_text();
    const auto begin = byte_of(text, arguments[1].as_integer());
    if (!begin) return outside(work, arguments[1], text);
    std::size_t end = *begin;
    if (end < text.size()) take_code_point(text, end);
    return work.give(result, std::string{text.substr(*begin, end - *begin)});
}

bool index_in_list(Work& work, Arguments arguments, bool last, Value& result) {
    const List& list = arguments[0].as_list();
    std::int64_t found_at = -1;
    for (std::size_t i = 0; i < list.size(); ++i) {
        bool found = false;
        if (!work.compare(list.at(i), arguments[1], found)) return false;
        if (!found) continue;
        found_at = static_cast<std::int64_t>(i);
        if (!last) break;
    }
    result = Value::integer(found_at);
    return true;
}

template <bool Last>
bool place_of(Work& work, Arguments arguments, Value& result) {
    if (arguments[0].kind() == Kind::list && arguments.size() == 2)
        return index_in_list(work, arguments, Last, result);
    if (arguments[0].kind() != Kind::text || arguments[1].kind() != Kind::text)
        return work.fail(ErrorKind::no_overload, fmt::format("no such overload: indexOf({}, {}{})",
                                                             plain_name(arguments[0].kind()),
                                                             plain_name(arguments[1].kind()),
                                                             arguments.size() > 2 ? ", int" : ""));
    if (!visit_texts(work, arguments)) return false;
    const std::string_view text = arguments[0].as_text();
    std::size_t from = Last ? std::string_view::npos : 0;
    if (arguments.size() > 2) {
        const auto byte = byte_of(text, arguments[2].as_integer());
        if (!byte) return outside(work, arguments[2], text);
        from = *byte;
    }
    const std::string_view wanted = arguments[1].as_text();
    // Backwards the search has no linear worst case.
    if (Last && !work.visit(text.size() * wanted.size() / 256)) return false;
    const std::size_t found = Last ? text.rfind(wanted, from) : find_text(text, wanted, from);
    const bool none = found == std::string_view::npos;
    result = Value::integer(none ? -1 : characters(text.substr(0, found)));
    return true;
}

std::string_view text_or_bytes(const Value& value) {
    return value.kind() == Kind::text ? value.as_text() : value.as_bytes();
}

bool base64(Work& work, Arguments arguments, Value& result) {
    if (!work.make(text_or_bytes(arguments[0]).size())) return false;
    return work.give(result, base64_of(text_or_bytes(arguments[0])));
}

bool base64_decode(Work& work, Arguments arguments, Value& result) {
    if (!work.make(arguments[0].as_text().size())) return false;
    auto data = from_base64(arguments[0].as_text());
    if (!data) return work.fail(ErrorKind::argument, "the text is no base64");
    return work.give_bytes(result, std::move(*data));
}

bool sha256_of(Work& work, Arguments arguments, Value& result) {
    // A block of 64 bytes costs some 300 ns.
    if (!work.visit(text_or_bytes(arguments[0]).size() / 8 + 1)) return false;
    std::string text;
    for (const std::uint8_t byte : sha256(text_or_bytes(arguments[0])))
        text += fmt::format("{:02x}", byte);
    return work.give(result, std::move(text));
}

bool uuid5_of(Work& work, Arguments arguments, Value& result) {
    if (!work.visit(arguments[1].as_text().size() / 8 + 1)) return false;
    auto uuid = uuid5(arguments[0].as_text(), arguments[1].as_text());
    if (!uuid)
        return work.fail(ErrorKind::argument,
                         "the first argument of uuid5() is 'dns', 'url', 'oid', 'x500' or a UUID");
    return work.give(result, std::move(*uuid));
}

constexpr Kinds text_kind = kinds(Kind::text);
constexpr Kinds searched = kinds(Kind::text, Kind::list);
constexpr Kinds integer_kind = kinds(Kind::integer);
constexpr Kinds data = kinds(Kind::text, Kind::bytes);

constexpr Function text_table[] = {
    {"contains", contains_value, 2, 2, {searched, any_kind}, Kind::boolean},
    {"startsWith", starts_with, 2, 2, {text_kind, text_kind}, Kind::boolean},
    {"endsWith", ends_with, 2, 2, {text_kind, text_kind}, Kind::boolean},
    {"matches", matches, 2, 2, {text_kind, text_kind}, Kind::boolean},
    {"split", split, 2, 3, {text_kind, text_kind, integer_kind}, Kind::list},
    {"join", join, 1, 2, {kinds(Kind::list), text_kind}, Kind::text},
    {"replace", replace, 3, 4, {text_kind, text_kind, text_kind, integer_kind}, Kind::text},
    {"lower", changed<lower_case>, 1, 1, {text_kind}, Kind::text},
    {"upper", changed<upper_case>, 1, 1, {text_kind}, Kind::text},
    {"lowerAscii", changed<lower_ascii>, 1, 1, {text_kind}, Kind::text},
    {"upperAscii", changed<upper_ascii>, 1, 1, {text_kind}, Kind::text},
    {"trim", trim, 1, 1, {text_kind}, Kind::text},
    {"substring", substring, 2, 3, {text_kind, integer_kind, integer_kind}, Kind::text},
    {"charAt", char_at, 2, 2, {text_kind, integer_kind}, Kind::text},
    {"indexOf", place_of<false>, 2, 3, {searched, any_kind, integer_kind}, Kind::integer},
    {"lastIndexOf", place_of<true>, 2, 3, {searched, any_kind, integer_kind}, Kind::integer},
    {"base64", base64, 1, 1, {data}, Kind::text},
    {"base64Decode", base64_decode, 1, 1, {text_kind}, Kind::bytes},
    {"sha256", sha256_of, 1, 1, {data}, Kind::text},
    {"uuid5", uuid5_of, 2, 2, {text_kind, text_kind}, Kind::text, true},
};

} // namespace

std::shared_ptr<const re2::RE2> compile_pattern(std::string_view pattern, std::string& problem) {
    re2::RE2::Options options{re2::RE2::Quiet};
    options.set_max_mem(
        1 << 20); // of the compiled pattern, which then has at most some 10,000 steps
    auto compiled =
        std::make_shared<const re2::RE2>(re2::StringPiece{pattern.data(), pattern.size()}, options);
    if (compiled->ok()) return compiled;
    problem = fmt::format("the regular expression is wrong: {}", compiled->error());
    return nullptr;
}

bool matches_pattern(Work& work, const re2::RE2& pattern, const Value& value, Value& result) {
    const std::string_view subject = value.as_text();
    // Linear in the text, but a pattern with many states may be slow for each of its characters.
    const auto states = static_cast<std::uint64_t>(std::max(pattern.ProgramSize(), 1));
    if (!work.visit(subject.size() / 16 + subject.size() * states / 256 + 1)) return false;
    result = Value::boolean(
        re2::RE2::PartialMatch(re2::StringPiece{subject.data(), subject.size()}, pattern));
    return true;
}

std::span<const Function> text_functions() {
    return text_table;
}

} // namespace baton::orchestrator::expression
