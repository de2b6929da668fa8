#include "base/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace baton::trace {
namespace {

constexpr std::size_t parent_size = 55;
constexpr std::size_t state_bytes_max = 512; // what the specification wants passed on at least

// Small letters alone: the specification wants others ignored.
std::optional<std::uint64_t> hex_number(std::string_view text) {
    std::uint64_t number = 0;
    for (const char c : text) {
        std::uint64_t digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<std::uint64_t>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<std::uint64_t>(c - 'a') + 10;
        else
            return std::nullopt;
        number = number << 4 | digit;
    }
    return number;
}

// FNV-1a with a finish that spreads the last bytes: good enough for names that nobody chooses to
// collide.
class Hash {
public:
    Hash& add(std::string_view text) {
        for (const char c : text)
            value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        value_ = (value_ ^ 0xffU) * 0x100000001b3ULL; // so that "ab","c" is not "a","bc"
        return *this;
    }
    std::uint64_t done() const {
        std::uint64_t mixed = value_;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
        mixed ^= mixed >> 31;
        return mixed == 0 ? 1 : mixed; // zero is no id
    }

private:
    std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

std::uint64_t span_of(std::string_view kind, std::string_view run_id, std::string_view step,
                      bool undo, std::uint32_t attempt) {
    return Hash()
        .add(kind)
        .add(run_id)
        .add(step)
        .add(undo ? "undo" : "")
        .add(std::to_string(attempt))
        .done();
}

// A run's id is a UUID: 128 bits, as a trace's; so who knows the one can look for the other.
TraceId trace_of(std::string_view run_id) {
    std::string digits;
    for (const char c : run_id)
        if (c != '-') digits += c;
    if (digits.size() == 32) {
        const std::string_view text = digits;
        const auto high = hex_number(text.substr(0, 16));
        const auto low = hex_number(text.substr(16));
        if (high && low && (*high | *low) != 0) return {*high, *low};
    }
    return {Hash().add("trace").add(run_id).done(), Hash().add(run_id).add("trace").done()};
}

// By the last seven bytes, which are random in every trace's id: so all who know the ratio decide
// alike.
bool is_chosen(const TraceId& trace, double ratio) {
    if (ratio >= 1) return true;
    if (!(ratio > 0)) return false;
    constexpr std::uint64_t mask = (std::uint64_t{1} << 56) - 1;
    return (trace.low & mask) < static_cast<std::uint64_t>(std::ldexp(ratio, 56));
}

} // namespace

std::optional<Context> parse(std::string_view text) {
    if (text.size() < parent_size || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return std::nullopt;
    const auto version = hex_number(text.substr(0, 2));
    const auto high = hex_number(text.substr(3, 16));
    const auto low = hex_number(text.substr(19, 16));
    const auto span = hex_number(text.substr(36, 16));
    const auto flags = hex_number(text.substr(53, 2));
    if (!version || !high || !low || !span || !flags) return std::nullopt;
    // Later versions may be longer; of them these members are read.
    if (*version == 0xff || (*version == 0 && text.size() != parent_size)) return std::nullopt;
    if (text.size() > parent_size && text[parent_size] != '-') return std::nullopt;
    if ((*high | *low) == 0 || *span == 0) return std::nullopt;
    return Context{{*high, *low}, *span, (*flags & 1) != 0};
}

std::string to_hex(const TraceId& trace) {
    return fmt::format("{:016x}{:016x}", trace.high, trace.low);
}
std::string to_hex(std::uint64_t span) {
    return fmt::format("{:016x}", span);
}

std::string to_text(const Context& context) {
    return fmt::format("00-{:016x}{:016x}-{:016x}-{}", context.trace.high, context.trace.low,
                       context.span, context.is_sampled ? "01" : "00");
}

Given given(std::string_view traceparent, std::string_view tracestate) {
    const auto context = parse(traceparent);
    if (!context) return {};
    const bool is_text = std::all_of(tracestate.begin(), tracestate.end(),
                                     [](char c) { return c >= ' ' && c <= '~'; });
    return {to_text(*context), is_text && tracestate.size() <= state_bytes_max
                                   ? std::string(tracestate)
                                   : std::string()};
}

Context context_of(std::string_view run_id, const Given& given, const Policy& policy) {
    if (auto context = parse(given.parent)) return *context;
    const TraceId trace = trace_of(run_id);
    return {trace, 0, is_chosen(trace, policy.ratio)};
}

std::uint64_t run_span(std::string_view run_id) {
    return span_of("run", run_id, "", false, 0);
}
std::uint64_t attempt_span(std::string_view run_id, std::string_view step, bool undo,
                           std::uint32_t attempt) {
    return span_of("attempt", run_id, step, undo, attempt);
}
std::uint64_t message_span(std::string_view run_id, std::string_view step, bool undo,
                           std::uint32_t attempt) {
    return span_of("message", run_id, step, undo, attempt);
}

std::uint64_t wait_span(std::string_view run_id, std::string_view step, std::int64_t since_micros) {
    return Hash().add("wait").add(run_id).add(step).add(std::to_string(since_micros)).done();
}

Given onward(std::string_view run_id, const Given& given, const Policy& policy,
             std::uint64_t span) {
    if (!policy.is_exported && !given.is_empty()) return given;
    Context context = context_of(run_id, given, policy);
    context.span = span;
    return {to_text(context), given.state};
}

} // namespace baton::trace
