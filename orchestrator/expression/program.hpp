// An expression, compiled once and evaluated often. Compiling finds all mistakes with their place
// in the source; evaluating is pure and bounded: no clock, no randomness, no I/O, and a limit on
// work and memory. A Program is immutable and shared; any number of threads may evaluate it.
#pragma once

#include "orchestrator/expression/either.hpp"
#include "orchestrator/expression/value.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::expression {

// A mistake in an expression. Offset and length are bytes of the source; a length of 0 means
// "here".
struct Diagnostic {
    std::string message; // "no method 'spilt'; did you mean 'split'?"
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
};

// What a compile gives when it fails: at least one diagnostic, in the order of the source.
struct Diagnostics {
    std::vector<Diagnostic> all;
};

// Why an evaluation gave no value. The kind decides what default() and has() forgive (missing) and
// what && and || may absorb (everything but limit).
enum class ErrorKind : std::uint8_t {
    missing,     // no such name, field, key or element
    no_overload, // the operation does not exist for these types
    arithmetic,  // overflow, division by zero
    argument,    // right type, impossible value: int('x'), a broken regular expression
    limit,       // the evaluation cost more than its Limits allow
};

struct EvaluationError {
    ErrorKind kind = ErrorKind::argument;
    std::string message;
    std::uint32_t offset = 0; // bytes of the source, the operation that failed
    std::uint32_t length = 0;
};

// Tells the kind of a path such as {"input", "email"}; nothing when unknown.
using KindOfPath = std::function<std::optional<Kind>(std::span<const std::string_view> path)>;

struct CompileOptions {
    // Types are checked before evaluation as far as they are known. Off, everything that parses
    // compiles, and wrong types and unknown functions are errors of evaluation, as CEL's dynamic
    // mode wants it.
    bool check = true;
    KindOfPath kind_of_path; // may be empty
    // Parentheses, calls, lists and prefixes inside one another. Bounds the stack that parsing and
    // evaluating may use; people need about 10. Operators in a row may be three times as many.
    std::uint32_t depth_max = 96;
    // Bytes of source. A longer expression belongs into a transform step.
    std::uint32_t source_bytes_max = 64 * 1024;
};

// What one evaluation may cost. A node costs 10 to 100 ns, so the default stops after some tens of
// milliseconds, far above any sensible condition and far below what a service would notice. Bytes
// are counted as if nothing were shared (32 for each value plus its text), so a small expression
// cannot build a result that explodes when it is written out; 16 MiB hold about 100,000 items.
struct Limits {
    std::uint64_t nodes_max = 1'000'000;        // nodes visited plus elements looked at
    std::uint64_t bytes_max = 16 * 1024 * 1024; // text, lists and maps made on the way
};

// Gives the value of a root name such as "input", or nothing when there is none. Called at most
// once for each name and evaluation, and only for names the evaluation really reaches.
using Lookup = std::function<std::optional<Value>(std::string_view name)>;

// A root name an expression reads, with what is selected from it: `mailbox.address` and
// `mailbox['address']` are root "mailbox", path {"address"}. Variables of macros are no roots.
struct Reference {
    struct Part {
        std::string name;
        std::uint32_t offset = 0; // of the name in the source
        std::uint32_t length = 0;
    };

    std::string root;
    std::vector<Part> path;
    std::uint32_t offset = 0; // of the root name in the source
    std::uint32_t length = 0;
    // Inside has(..) or the first argument of default(..): a missing value is expected.
    bool guarded = false;
    // The root is also the name of a type (`int`, `list`, ..): used as such when nothing is bound.
    bool is_type_name = false;
};

struct ProgramBody; // program_body.hpp, private to this room

class Program {
public:
    explicit Program(std::shared_ptr<const ProgramBody> body) : body_(std::move(body)) {}

    std::string_view source() const;
    // The kind of every result, when it is known without evaluating; `a == b` is boolean.
    std::optional<Kind> static_kind() const;
    // In the order of the source.
    const std::vector<Reference>& references() const;
    const ProgramBody& body() const { return *body_; }

private:
    std::shared_ptr<const ProgramBody> body_;
};

using CompileResult = Either<Program, Diagnostics>;
using EvaluationResult = Either<Value, EvaluationError>;

CompileResult compile(std::string_view source, const CompileOptions& options = {});

EvaluationResult evaluate(const Program& program, const Lookup& lookup, const Limits& limits = {});

// For names that are looked up in a JSON object: {"input": {..}, "vars": {..}}. The result may look
// into `bindings` and must not outlive them.
EvaluationResult evaluate(const Program& program, const boost::json::object& bindings,
                          const Limits& limits = {});

// Every function and method of the language, sorted.
std::span<const std::string_view> function_names();

} // namespace baton::orchestrator::expression
