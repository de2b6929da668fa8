// Compiling: parse, check, collect references. Evaluating: one Evaluator.
#include "orchestrator/expression/program.hpp"

#include "base/utf8.hpp"
#include "orchestrator/expression/checker.hpp"
#include "orchestrator/expression/evaluator.hpp"
#include "orchestrator/expression/parser.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace baton::orchestrator::expression {

std::string_view Program::source() const {
    return body_->source;
}

std::optional<Kind> Program::static_kind() const {
    return body_->static_kind;
}

const std::vector<Reference>& Program::references() const {
    return body_->references;
}

CompileResult compile(std::string_view source, const CompileOptions& options) {
    if (source.size() > options.source_bytes_max)
        return Diagnostics{
            {{fmt::format("the expression is longer than {} bytes", options.source_bytes_max),
              options.source_bytes_max, 0}}};
    if (const auto invalid = first_invalid_utf8(source))
        return Diagnostics{
            {{"the expression is not valid UTF-8", static_cast<std::uint32_t>(*invalid), 1}}};
    auto body = std::make_shared<ProgramBody>();
    body->source = source;
    Parser parser{body->source, options};
    if (!parser.parse(*body)) return Diagnostics{std::move(parser.diagnostics())};
    // Before the checker, which replaces what is constant.
    body->references = references_of(*body->tree);
    std::vector<Diagnostic> diagnostics;
    body->static_kind = Checker{options, diagnostics}.check(*body->tree);
    if (!diagnostics.empty()) {
        std::sort(diagnostics.begin(), diagnostics.end(),
                  [](const Diagnostic& a, const Diagnostic& b) {
                      return std::tie(a.offset, a.message) < std::tie(b.offset, b.message);
                  });
        return Diagnostics{std::move(diagnostics)};
    }
    return Program{std::move(body)};
}

EvaluationResult evaluate(const Program& program, const Lookup& lookup, const Limits& limits) {
    Evaluator evaluator{program.body(), lookup, limits};
    Value result;
    if (evaluator.run(result)) return result;
    return std::move(evaluator.work().error());
}

EvaluationResult evaluate(const Program& program, const boost::json::object& bindings,
                          const Limits& limits) {
    const Lookup lookup = [&](std::string_view name) -> std::optional<Value> {
        const boost::json::value* found = bindings.if_contains(name);
        if (found == nullptr) return std::nullopt;
        return Value::borrowing_json(*found);
    };
    return evaluate(program, lookup, limits);
}

} // namespace baton::orchestrator::expression
