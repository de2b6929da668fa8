// Any text as expression, template string and eval line: no crash, no hang, places inside the
// source.
#include "base/assert.hpp"
#include "orchestrator/expression/template.hpp"
#include "orchestrator/expression/typed_json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>

#include <cstdint>
#include <string_view>

namespace expression = baton::orchestrator::expression;

namespace {

// Small, so that one input cannot take long.
constexpr expression::Limits limits{20'000, 256 * 1024};

std::optional<expression::Value> bound(std::string_view name) {
    static const boost::json::value json = boost::json::parse(
        R"({"i": 7, "d": 1.5, "s": "text", "l": [1, "a", null, 2.5], "m": {"a": 1, "b": [2]}})");
    const auto* found = json.get_object().if_contains(name);
    if (found == nullptr) return std::nullopt;
    return expression::Value::borrowing_json(*found);
}

void try_expression(std::string_view source, bool check) {
    expression::CompileOptions options;
    options.check = check;
    const auto program = expression::compile(source, options);
    if (!program) {
        BATON_ASSERT(!program.error().all.empty(), "a failed compile says why");
        for (const auto& mistake : program.error().all)
            BATON_ASSERT(mistake.offset + mistake.length <= source.size(), "mistakes lie inside");
        return;
    }
    const auto value = expression::evaluate(*program, bound, limits);
    if (!value) {
        BATON_ASSERT(value.error().offset + value.error().length <= source.size(),
                     "errors lie inside");
        return;
    }
    const auto typed = expression::to_typed_json(*value);
    BATON_ASSERT(expression::from_typed_json(typed).has_value(), "typed JSON reads back");
    static_cast<void>(expression::to_json(*value));
    if (const auto kind = program->static_kind())
        BATON_ASSERT(*kind == value->kind(), "the checker was right");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    try_expression(text, true);
    try_expression(text, false);
    const auto filled = expression::Template::compile(boost::json::string{text});
    if (filled) static_cast<void>(filled->evaluate(bound, limits));
    static_cast<void>(expression::eval_line(text));
    return 0;
}
