// From text to tree: precedence climbing (Pratt). Macros become nodes of their own, their variables
// get slots. Private to this room.
#pragma once

#include "orchestrator/expression/lexer.hpp"
#include "orchestrator/expression/node.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::orchestrator::expression {

class Parser {
public:
    Parser(std::string_view source, const CompileOptions& options);

    // The whole source as one tree in `body`. False if there are diagnostics.
    bool parse(ProgramBody& body);
    std::vector<Diagnostic>& diagnostics() { return diagnostics_; }

private:
    using NodePtr = std::unique_ptr<Node>; // nullptr after a syntax error

    NodePtr expression();
    NodePtr conditional();
    NodePtr binary(int precedence_min);
    NodePtr join(NodePtr left, NodePtr right, std::string_view symbol, Place place);
    NodePtr unary();
    NodePtr prefixed(NodeKind kind);
    NodePtr negative_number(std::uint32_t begin);
    NodePtr postfix(NodePtr node);
    NodePtr select(NodePtr target);
    NodePtr index(NodePtr target);
    NodePtr primary();
    NodePtr name(bool from_root);
    NodePtr list();
    NodePtr map();
    bool arguments(Node& call);
    NodePtr call(Token name, NodePtr target);
    NodePtr has(const Token& name);
    NodePtr fallback(NodePtr call);
    NodePtr macro(const Token& name, NodePtr target);
    bool macro_body(Node& node, const Token& name);

    NodePtr literal(Value value);
    NodePtr make(NodeKind kind, Place place) const;
    NodePtr finish(NodePtr node, std::uint32_t begin);
    std::uint32_t root_number(const std::string& name);
    bool expect(std::string_view symbol, std::string_view where);
    bool accept(std::string_view symbol);
    void advance();
    NodePtr fail(Place place, std::string message);
    NodePtr fail_here(std::string_view expected);

    std::string_view source_;
    const CompileOptions& options_;
    Lexer lexer_;
    Token token_;
    std::uint32_t last_end_ = 0; // where the token before this one ended
    std::uint32_t depth_ = 0;
    std::vector<std::pair<std::string, std::uint32_t>> variables_; // in scope, innermost last
    std::uint32_t variable_count_ = 0;
    std::vector<std::string> roots_;
    std::map<std::string, std::uint32_t> root_numbers_;
    std::vector<Diagnostic> diagnostics_;
};

// The names of macros and of default, for suggestions.
std::span<const std::string_view> macro_names();

// Whether a name means a type where nothing of that name is bound, and which.
std::optional<Kind> type_of_name(std::string_view name);

} // namespace baton::orchestrator::expression
