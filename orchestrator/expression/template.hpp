// A JSON value whose strings may contain ${expressions}, compiled once and filled in often. A
// string that is only `${...}` keeps the type of the value; elsewhere the value becomes text. `$${`
// is a plain `${`. Lists and objects are walked; keys of objects are taken literally. Immutable and
// shared; any number of threads may evaluate one Template.
#pragma once

#include "orchestrator/expression/program.hpp"

#include <boost/json/value.hpp>

namespace baton::orchestrator::expression {

// A place in a template: a JSON pointer ("/with/items/0", "" for the root) to a string, and there a
// byte offset within that string.
struct TemplateDiagnostic {
    std::string pointer;
    Diagnostic diagnostic; // offset counts from the beginning of the string, not of the expression
};

struct TemplateDiagnostics {
    std::vector<TemplateDiagnostic> all;
};

struct TemplateError {
    std::string pointer;
    EvaluationError error; // offset counts from the beginning of the string
};

struct TemplateReference {
    std::string pointer;
    Reference reference; // offsets count from the beginning of the string
};

struct TemplateNode; // template.cpp

class Template {
public:
    using CompileResult = Either<Template, TemplateDiagnostics>;
    using EvaluateResult = Either<boost::json::value, TemplateError>;

    static CompileResult compile(const boost::json::value& json,
                                 const CompileOptions& options = {});

    // The limits are for the whole template, not for each of its expressions.
    EvaluateResult evaluate(const Lookup& lookup, const Limits& limits = {}) const;

    // In the order of the document.
    const std::vector<TemplateReference>& references() const;

    // True when nothing has to be evaluated: the result never changes.
    bool is_constant() const;

    // The kind of every result when it is known: text for "a ${b} c", list, map, ...
    std::optional<Kind> static_kind() const;

private:
    explicit Template(std::shared_ptr<const TemplateNode> root) : root_(std::move(root)) {}

    std::shared_ptr<const TemplateNode> root_;
};

} // namespace baton::orchestrator::expression
