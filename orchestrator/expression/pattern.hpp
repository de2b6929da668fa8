// A regular expression (RE2) that texts are looked through for: linear in the text, whatever the pattern. Compiled
// once; as `matches` does in expressions, it looks anywhere in the text unless the pattern says ^ and $.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace baton::orchestrator::expression {

class Pattern {
public:
    Pattern() = default;
    // `problem` says what is wrong, and is empty if nothing is.
    static Pattern compile(std::string_view text, std::string& problem);

    bool is_set() const { return compiled_ != nullptr; }
    const std::string& text() const { return text_; }
    bool is_in(std::string_view text) const;

private:
    std::string text_;
    std::shared_ptr<const re2::RE2> compiled_;
};

} // namespace baton::orchestrator::expression
