// Short ways to compile and evaluate in tests.
#pragma once

#include "orchestrator/expression/program.hpp"
#include "orchestrator/expression/typed_json.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace baton::orchestrator::expression::testing_support {

// What an expression gives: plain text of the value, or "error: message".
inline std::string result_of(std::string_view source, std::string_view bindings = "{}",
                             bool check = true, const Limits& limits = {}) {
    CompileOptions options;
    options.check = check;
    const auto program = compile(source, options);
    if (!program) return "wrong: " + program.error().all.front().message;
    const boost::json::value json = boost::json::parse(bindings);
    const auto value = evaluate(*program, json.get_object(), limits);
    if (!value) return "error: " + value.error().message;
    return to_plain_text(*value);
}

// All mistakes as "offset+length message", one per line.
inline std::string mistakes_in(std::string_view source, const CompileOptions& options = {}) {
    const auto program = compile(source, options);
    if (program) return "";
    std::string text;
    for (const Diagnostic& diagnostic : program.error().all) {
        if (!text.empty()) text += '\n';
        text += std::to_string(diagnostic.offset) + "+" + std::to_string(diagnostic.length) + " " +
                diagnostic.message;
    }
    return text;
}

} // namespace baton::orchestrator::expression::testing_support
