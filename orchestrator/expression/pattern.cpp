// Patterns for texts.
#include "orchestrator/expression/pattern.hpp"

#include "orchestrator/expression/functions.hpp"

#include <re2/re2.h>

namespace baton::orchestrator::expression {

Pattern Pattern::compile(std::string_view text, std::string& problem) {
    Pattern pattern;
    pattern.text_ = text;
    pattern.compiled_ = compile_pattern(text, problem);
    return pattern;
}

bool Pattern::is_in(std::string_view text) const {
    return compiled_ == nullptr || re2::RE2::PartialMatch(re2::StringPiece{text.data(), text.size()}, *compiled_);
}

} // namespace baton::orchestrator::expression
