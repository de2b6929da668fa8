// The grammar of expressions.
#include "orchestrator/expression/parser.hpp"

#include "base/suggest.hpp"
#include "orchestrator/expression/functions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace baton::orchestrator::expression {

namespace {

struct BinarySymbol {
    std::string_view symbol;
    int precedence;
    Operator op;
};

// || and && have no Operator: they become nodes of their own.
constexpr int or_precedence = 1;
constexpr int and_precedence = 2;
constexpr BinarySymbol binary_symbols[] = {
    {"||", or_precedence, Operator::add},
    {"&&", and_precedence, Operator::add},
    {"==", 3, Operator::equal},
    {"!=", 3, Operator::not_equal},
    {"<", 3, Operator::less},
    {"<=", 3, Operator::less_equal},
    {">", 3, Operator::greater},
    {">=", 3, Operator::greater_equal},
    {"in", 3, Operator::in},
    {"+", 4, Operator::add},
    {"-", 4, Operator::subtract},
    {"*", 5, Operator::multiply},
    {"/", 5, Operator::divide},
    {"%", 5, Operator::remainder},
};

const BinarySymbol* binary_symbol(const Token& token) {
    const bool word = token.kind == TokenKind::name && token.text == "in";
    if (token.kind != TokenKind::symbol && !word) return nullptr;
    for (const BinarySymbol& candidate : binary_symbols)
        if (candidate.symbol == token.text) return &candidate;
    return nullptr;
}

struct Macro {
    std::string_view name;
    NodeKind kind;
};
constexpr Macro macros[] = {
    {"all", NodeKind::all},
    {"exists", NodeKind::exists},
    {"exists_one", NodeKind::exists_one},
    {"existsOne", NodeKind::exists_one},
    {"map", NodeKind::transform},
    {"filter", NodeKind::filter},
};

const Macro* find_macro(std::string_view name) {
    for (const Macro& macro : macros)
        if (macro.name == name) return &macro;
    return nullptr;
}

constexpr std::string_view names_of_macros[] = {"all",        "default", "exists", "existsOne",
                                                "exists_one", "filter",  "has",    "map"};

constexpr std::uint64_t magnitude_of_min = std::uint64_t{1} << 63;

Place joined(Place from, Place to) {
    return {from.offset, to.offset + to.length - from.offset};
}

// google.protobuf.Timestamp and google.protobuf.Duration, CEL's names of these two types.
std::optional<Kind> protobuf_type(const Node& target, std::string_view name) {
    const bool is_package =
        target.kind == NodeKind::select && target.value.as_text() == "protobuf" &&
        target.child(0).kind == NodeKind::root && target.child(0).name == "google";
    if (!is_package) return std::nullopt;
    if (name == "Timestamp") return Kind::timestamp;
    if (name == "Duration") return Kind::duration;
    return std::nullopt;
}

// Words of other languages in the place of an operator.
std::string advice_for_word(std::string_view word) {
    if (word == "and" || word == "AND") return "; did you mean '&&'?";
    if (word == "or" || word == "OR") return "; did you mean '||'?";
    if (word == "is" || word == "eq") return "; did you mean '=='?";
    return {};
}

} // namespace

std::span<const std::string_view> macro_names() {
    return names_of_macros;
}

std::optional<Kind> type_of_name(std::string_view name) {
    for (const Kind kind : {Kind::null, Kind::boolean, Kind::integer, Kind::unsigned_integer,
                            Kind::real, Kind::text, Kind::bytes, Kind::list, Kind::map, Kind::type})
        if (type_name(kind) == name) return kind;
    return std::nullopt;
}

std::string_view symbol_of(Operator op) {
    for (const BinarySymbol& symbol : binary_symbols)
        if (symbol.op == op && symbol.precedence > and_precedence) return symbol.symbol;
    return "?";
}

Parser::Parser(std::string_view source, const CompileOptions& options)
    : source_(source), options_(options), lexer_(source) {}

bool Parser::parse(ProgramBody& body) {
    advance();
    if (token_.kind == TokenKind::end) {
        fail(token_.place, "the expression is empty");
        return false;
    }
    body.tree = expression();
    if (body.tree && token_.kind != TokenKind::end) fail_here("the end of the expression");
    body.roots = std::move(roots_);
    body.variable_count = variable_count_;
    return diagnostics_.empty();
}

void Parser::advance() {
    last_end_ = token_.place.offset + token_.place.length;
    token_ = lexer_.next();
}

bool Parser::accept(std::string_view symbol) {
    if (!token_.is(symbol)) return false;
    advance();
    return true;
}

bool Parser::expect(std::string_view symbol, std::string_view where) {
    if (accept(symbol)) return true;
    fail_here(fmt::format("'{}' {}", symbol, where));
    return false;
}

// Only the first mistake of syntax is told: what follows it is mostly its echo.
Parser::NodePtr Parser::fail(Place place, std::string message) {
    if (diagnostics_.empty())
        diagnostics_.push_back({std::move(message), place.offset, place.length});
    return nullptr;
}

Parser::NodePtr Parser::fail_here(std::string_view expected) {
    if (token_.kind == TokenKind::error) return fail(token_.place, token_.text);
    if (token_.kind == TokenKind::end)
        return fail(token_.place,
                    fmt::format("the expression ends too early: expected {}", expected));
    const std::string_view found = source_.substr(token_.place.offset, token_.place.length);
    const std::string advice = token_.kind == TokenKind::name ? advice_for_word(found) : "";
    return fail(token_.place,
                fmt::format("unexpected '{}'{}", found,
                            advice.empty() ? fmt::format(", expected {}", expected) : advice));
}

Parser::NodePtr Parser::make(NodeKind kind, Place place) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->place = place;
    return node;
}

// Sets extent and height once all children are there.
Parser::NodePtr Parser::finish(NodePtr node, std::uint32_t begin) {
    node->extent = {begin, last_end_ - begin};
    for (const NodePtr& child : node->children)
        node->height = std::max(node->height, child->height + 1);
    if (node->height > options_.depth_max * 3)
        return fail(node->place, "the expression has too many operators in a row; split it");
    return node;
}

Parser::NodePtr Parser::expression() {
    if (depth_ >= options_.depth_max)
        return fail(token_.place, fmt::format("the expression is nested more than {} levels deep",
                                              options_.depth_max));
    ++depth_;
    NodePtr node = conditional();
    --depth_;
    return node;
}

Parser::NodePtr Parser::conditional() {
    const std::uint32_t begin = token_.place.offset;
    NodePtr condition = binary(or_precedence);
    if (!condition || !token_.is("?")) return condition;
    NodePtr node = make(NodeKind::conditional, token_.place);
    advance();
    NodePtr yes = binary(or_precedence);
    if (!yes || !expect(":", "of the condition")) return nullptr;
    NodePtr no = expression();
    if (!no) return nullptr;
    node->children.push_back(std::move(condition));
    node->children.push_back(std::move(yes));
    node->children.push_back(std::move(no));
    return finish(std::move(node), begin);
}

Parser::NodePtr Parser::binary(int precedence_min) {
    NodePtr left = unary();
    while (left) {
        const BinarySymbol* symbol = binary_symbol(token_);
        if (symbol == nullptr || symbol->precedence < precedence_min) return left;
        const Place place = token_.place;
        advance();
        NodePtr right = binary(symbol->precedence + 1);
        if (!right) return nullptr;
        left = join(std::move(left), std::move(right), symbol->symbol, place);
    }
    return nullptr;
}

Parser::NodePtr Parser::join(NodePtr left, NodePtr right, std::string_view symbol, Place place) {
    const std::uint32_t begin = left->extent.offset;
    if (symbol == "&&" || symbol == "||") {
        const NodeKind kind = symbol == "&&" ? NodeKind::both : NodeKind::either;
        // a && b && c is one node with three children, unless parentheses say otherwise.
        const bool extends =
            left->kind == kind && left->extent.length > 0 && source_[left->extent.offset] != '(';
        NodePtr node = extends ? std::move(left) : make(kind, place);
        if (left) node->children.push_back(std::move(left));
        node->children.push_back(std::move(right));
        return finish(std::move(node), begin);
    }
    NodePtr node = make(NodeKind::binary, place);
    for (const BinarySymbol& candidate : binary_symbols)
        if (candidate.symbol == symbol) node->op = candidate.op;
    node->children.push_back(std::move(left));
    node->children.push_back(std::move(right));
    return finish(std::move(node), begin);
}

Parser::NodePtr Parser::unary() {
    if (token_.is("!")) return prefixed(NodeKind::invert);
    if (token_.is("-")) return prefixed(NodeKind::negate);
    if (token_.kind == TokenKind::name && token_.text == "not") {
        const Token word = token_;
        advance();
        // `not` may be a name; `not x` is the mistake.
        if (token_.kind == TokenKind::name && token_.text != "in")
            return fail(word.place, "unexpected 'not'; did you mean '!'?");
        lexer_ = Lexer{source_, word.place.offset};
        advance();
    }
    return postfix(primary());
}

Parser::NodePtr Parser::prefixed(NodeKind kind) {
    const Place place = token_.place;
    advance();
    const bool number = token_.kind == TokenKind::integer || token_.kind == TokenKind::real;
    // -5 is a literal, so that the smallest integer can be written.
    if (kind == NodeKind::negate && number) return negative_number(place.offset);
    if (depth_ >= options_.depth_max)
        return fail(place, fmt::format("the expression is nested more than {} levels deep",
                                       options_.depth_max));
    ++depth_;
    NodePtr child = unary();
    --depth_;
    if (!child) return nullptr;
    NodePtr node = make(kind, place);
    node->children.push_back(std::move(child));
    return finish(std::move(node), place.offset);
}

// From the number on; the minus is at `begin`.
Parser::NodePtr Parser::negative_number(std::uint32_t begin) {
    if (token_.kind == TokenKind::integer && token_.number > magnitude_of_min)
        return fail(token_.place, "the number is too large for 64 bits");
    NodePtr node;
    if (token_.kind == TokenKind::real) {
        node = literal(Value::real(-token_.real));
    } else {
        // Two's complement: the smallest number has no positive counterpart.
        node = literal(Value::integer(static_cast<std::int64_t>(0 - token_.number)));
    }
    node->extent = joined({begin, 0}, node->extent);
    return postfix(std::move(node));
}

Parser::NodePtr Parser::postfix(NodePtr node) {
    while (node) {
        if (token_.is("."))
            node = select(std::move(node));
        else if (token_.is("["))
            node = index(std::move(node));
        else
            return node;
    }
    return nullptr;
}

Parser::NodePtr Parser::select(NodePtr target) {
    const std::uint32_t begin = target->extent.offset;
    advance();
    if (token_.is("?"))
        return fail(token_.place, "there is no '.?'; write default(a.b, value) or has(a.b)");
    if (token_.kind != TokenKind::name && token_.kind != TokenKind::quoted_name)
        return fail_here("the name of a field or method");
    const Token name = token_;
    advance();
    if (token_.is("(") && name.kind == TokenKind::name) return call(name, std::move(target));
    if (const auto kind = protobuf_type(*target, name.text)) {
        NodePtr type = make(NodeKind::literal, name.place);
        type->value = Value::type(*kind);
        return finish(std::move(type), begin);
    }
    NodePtr node = make(NodeKind::select, name.place);
    node->value = Value::text(std::string{name.text});
    node->children.push_back(std::move(target));
    return finish(std::move(node), begin);
}

Parser::NodePtr Parser::index(NodePtr target) {
    const std::uint32_t begin = target->extent.offset;
    NodePtr node = make(NodeKind::index, token_.place);
    advance();
    NodePtr at = expression();
    if (!at || !expect("]", "behind the index")) return nullptr;
    node->place = joined(node->place, {last_end_, 0});
    node->children.push_back(std::move(target));
    node->children.push_back(std::move(at));
    return finish(std::move(node), begin);
}

Parser::NodePtr Parser::literal(Value value) {
    NodePtr node = make(NodeKind::literal, token_.place);
    node->value = std::move(value);
    node->extent = token_.place;
    advance();
    return node;
}

Parser::NodePtr Parser::primary() {
    switch (token_.kind) {
    case TokenKind::integer:
        if (token_.number >= magnitude_of_min)
            return fail(token_.place,
                        "the number is too large for 64 bits; append u to make it a uint");
        return literal(Value::integer(static_cast<std::int64_t>(token_.number)));
    case TokenKind::unsigned_integer:
        return literal(Value::unsigned_integer(token_.number));
    case TokenKind::real:
        return literal(Value::real(token_.real));
    case TokenKind::text:
        return literal(Value::text(std::move(token_.text)));
    case TokenKind::bytes:
        return literal(Value::bytes(std::move(token_.text)));
    case TokenKind::name:
        return name(false);
    case TokenKind::symbol:
        if (token_.is("(")) {
            const std::uint32_t begin = token_.place.offset;
            advance();
            NodePtr node = expression();
            if (!node || !expect(")", "to close the parenthesis")) return nullptr;
            node->extent = {begin, last_end_ - begin};
            return node;
        }
        if (token_.is("[")) return list();
        if (token_.is("{")) return map();
        if (token_.is(".")) {
            advance();
            if (token_.kind == TokenKind::name) return name(true);
        }
        return fail_here("a value");
    case TokenKind::quoted_name:
    case TokenKind::end:
    case TokenKind::error:
        break;
    }
    return fail_here("a value");
}

// `from_root`: written .name, which no variable of a macro hides.
Parser::NodePtr Parser::name(bool from_root) {
    if (token_.text == "true" || token_.text == "false")
        return literal(Value::boolean(token_.text == "true"));
    if (token_.text == "null") return literal(Value{});
    if (token_.text == "in") return fail_here("a value");
    const Token name = token_;
    advance();
    if (token_.is("(")) return call(name, nullptr);
    const auto variable =
        std::find_if(variables_.rbegin(), variables_.rend(),
                     [&](const auto& candidate) { return candidate.first == name.text; });
    const bool is_variable = !from_root && variable != variables_.rend();
    NodePtr node = make(is_variable ? NodeKind::variable : NodeKind::root, name.place);
    node->name = name.text;
    node->slot = is_variable ? variable->second : root_number(name.text);
    if (const auto kind = type_of_name(name.text)) node->value = Value::type(*kind);
    return finish(std::move(node), name.place.offset);
}

std::uint32_t Parser::root_number(const std::string& name) {
    const auto [known, is_new] =
        root_numbers_.emplace(name, static_cast<std::uint32_t>(roots_.size()));
    if (is_new) roots_.push_back(name);
    return known->second;
}

Parser::NodePtr Parser::list() {
    const std::uint32_t begin = token_.place.offset;
    NodePtr node = make(NodeKind::list, token_.place);
    advance();
    while (!token_.is("]")) {
        NodePtr item = expression();
        if (!item) return nullptr;
        node->children.push_back(std::move(item));
        if (!accept(",") && !token_.is("]")) return fail_here("',' or ']' in the list");
    }
    advance();
    return finish(std::move(node), begin);
}

Parser::NodePtr Parser::map() {
    const std::uint32_t begin = token_.place.offset;
    NodePtr node = make(NodeKind::map, token_.place);
    advance();
    while (!token_.is("}")) {
        NodePtr key = expression();
        if (!key || !expect(":", "behind the key of the map")) return nullptr;
        NodePtr value = expression();
        if (!value) return nullptr;
        node->children.push_back(std::move(key));
        node->children.push_back(std::move(value));
        if (!accept(",") && !token_.is("}")) return fail_here("',' or '}' in the map");
    }
    advance();
    return finish(std::move(node), begin);
}

// From behind "(" to behind ")".
bool Parser::arguments(Node& call) {
    if (accept(")")) return true;
    while (true) {
        NodePtr argument = expression();
        if (!argument) return false;
        call.children.push_back(std::move(argument));
        if (accept(")")) return true;
        if (!accept(",")) {
            fail_here("',' or ')' behind the argument");
            return false;
        }
    }
}

Parser::NodePtr Parser::call(Token name, NodePtr target) {
    const std::uint32_t begin = target ? target->extent.offset : name.place.offset;
    if (!target && name.text == "has") return has(name);
    if (target && find_macro(name.text) != nullptr) return macro(name, std::move(target));
    NodePtr node = make(NodeKind::call, name.place);
    node->is_method = target != nullptr;
    node->name = name.text;
    if (target) node->children.push_back(std::move(target));
    advance();
    if (!arguments(*node)) return nullptr;
    if (node->name == "default") {
        node = fallback(std::move(node));
        return node ? finish(std::move(node), begin) : nullptr;
    }
    node->function = find_function(node->name);
    if (node->function != nullptr && node->function->global_only && node->is_method)
        node->function = nullptr;
    return finish(std::move(node), begin);
}

Parser::NodePtr Parser::fallback(NodePtr call) {
    if (call->children.size() != 2)
        return fail(call->place, "default() needs two arguments: a value that may be missing and "
                                 "what to take instead");
    call->kind = NodeKind::fallback;
    return call;
}

Parser::NodePtr Parser::has(const Token& name) {
    advance();
    NodePtr node = expression();
    if (!node || !expect(")", "behind the argument of has")) return nullptr;
    if (node->kind != NodeKind::select && node->kind != NodeKind::index)
        return fail(name.place, "has() needs a field, such as has(order.customer)");
    node->kind = NodeKind::has;
    return finish(std::move(node), name.place.offset);
}

// target.all(x, condition) and its like, from "(" on.
Parser::NodePtr Parser::macro(const Token& name, NodePtr target) {
    const std::uint32_t begin = target->extent.offset;
    NodePtr node = make(find_macro(name.text)->kind, name.place);
    node->name = name.text;
    node->children.push_back(std::move(target));
    advance();
    const Token variable = token_;
    if (variable.kind == TokenKind::name) advance();
    if (variable.kind != TokenKind::name || !token_.is(",")) {
        if (token_.kind == TokenKind::error) return fail_here("");
        return fail(variable.place,
                    fmt::format("{0}() begins with the name of a variable: {0}(x, ..)", name.text));
    }
    if (variable.text == "true" || variable.text == "false" || variable.text == "null" ||
        variable.text == "in")
        return fail(variable.place, fmt::format("'{}' cannot be a variable", variable.text));
    advance();
    node->slot = variable_count_++;
    variables_.emplace_back(variable.text, node->slot);
    const bool good = macro_body(*node, name);
    variables_.pop_back();
    return good ? finish(std::move(node), begin) : nullptr;
}

bool Parser::macro_body(Node& node, const Token& name) {
    if (!arguments(node)) return false;
    const std::size_t count = node.children.size() - 1;
    if (node.kind == NodeKind::transform && count == 2) {
        node.kind = NodeKind::choose;
        return true;
    }
    if (count == 1) return true;
    fail(name.place, node.kind == NodeKind::transform
                         ? "map() is written map(x, result) or map(x, condition, result)"
                         : fmt::format("{0}() is written {0}(x, condition)", name.text));
    return false;
}

} // namespace baton::orchestrator::expression
