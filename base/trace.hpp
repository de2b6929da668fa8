// W3C trace context: which trace something belongs to, and which span of it began it. A run's trace
// is the one that whoever started it is in, as he said it in `traceparent`; of any other it follows
// from its id, so that nothing has to be kept. Ids of spans follow from what they are of: after a
// restart the same span has the same id.
//
//   traceparent   00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//                 version, trace, span of who asks, flags (1: it is recorded)
//
// Pure; values belong to the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::trace {

// As it came from outside; both empty: nothing came.
struct Given {
    std::string parent; // traceparent
    std::string state;  // tracestate
    bool is_empty() const { return parent.empty(); }
    friend bool operator==(const Given&, const Given&) = default;
};

struct TraceId {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const TraceId&, const TraceId&) = default;
};

struct Context {
    TraceId trace;
    std::uint64_t span = 0;
    bool is_sampled = false; // somebody records it
    friend bool operator==(const Context&, const Context&) = default;
};

// What is done about traces here.
struct Policy {
    bool is_exported = false; // spans of our own are told to a collector
    double ratio = 1;         // of the traces that begin here, so many are recorded
};

// Nothing: it is none, and the specification wants it ignored.
std::optional<Context> parse(std::string_view traceparent);
std::string to_text(const Context& context);
std::string to_hex(const TraceId& trace);
std::string to_hex(std::uint64_t span);

// What is worth keeping of two headers: a wrong traceparent is none, and a tracestate that is wrong
// or too long is left out.
Given given(std::string_view traceparent, std::string_view tracestate);

// Of a run, and whether it is recorded. Its `span` is that of who started it, 0 where nobody said
// so.
Context context_of(std::string_view run_id, const Given& given, const Policy& policy);
// Of the run itself, of an attempt at a task of it, of the message that hands the attempt out; of a
// step that waits for something, which may wait again when the run runs again.
std::uint64_t run_span(std::string_view run_id);
std::uint64_t attempt_span(std::string_view run_id, std::string_view step, bool undo,
                           std::uint32_t attempt);
std::uint64_t message_span(std::string_view run_id, std::string_view step, bool undo,
                           std::uint32_t attempt);

std::uint64_t wait_span(std::string_view run_id, std::string_view step, std::int64_t since_micros);

// What goes with a message that span makes. Where no spans of ours are told to anybody, who takes
// it is a child of who started the run.
Given onward(std::string_view run_id, const Given& given, const Policy& policy, std::uint64_t span);

} // namespace baton::trace
