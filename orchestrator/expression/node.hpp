// The tree an expression is compiled to. The parser builds it, the checker looks at it, the
// evaluator walks it; nobody changes it afterwards. Private to this room.
#pragma once

#include "orchestrator/expression/program.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace re2 {
class RE2;
}

namespace baton::orchestrator::expression {

struct Function;

enum class NodeKind : std::uint8_t {
    literal,
    root,        // a name from outside
    variable,    // of a macro
    select,      // child . text
    has,         // has(child . text), has(child[child])
    index,       // child [ child ]
    list,        // children
    map,         // key, value, key, value, ..
    negate,      // -child
    invert,      // !child
    both,        // child && child && ..
    either,      // child || child || ..
    conditional, // child ? child : child
    binary,      // child op child
    call,        // function(children); a method's target is the first child
    fallback,    // default(child, child)
    // Macros over child 0, with `slot` as variable:
    all,        // child 1 holds for all
    exists,     // child 1 holds for one at least
    exists_one, // child 1 holds for exactly one
    transform,  // child 1 of each element
    filter,     // elements for which child 1 holds
    choose,     // child 2 of each element for which child 1 holds: map with three arguments
};

enum class Operator : std::uint8_t {
    add,
    subtract,
    multiply,
    divide,
    remainder,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
};

// A piece of the source in bytes.
struct Place {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
};

struct Node {
    NodeKind kind = NodeKind::literal;
    Operator op = Operator::add; // binary
    bool is_method = false;      // call written as a.f(b)
    Place place;                 // what an error points at: the operator, the name
    Place extent;                // all of it
    std::uint32_t slot = 0;      // root: its number in ProgramBody::roots; variables: their place
    std::uint32_t height = 1;    // of the tree below and including this node
    Value value;                 // literal; the field name of select and has; a root that is a type
    std::string name;            // root, variable, call
    const Function* function = nullptr;         // call; nullptr for an unknown one
    std::shared_ptr<const re2::RE2> expression; // call of matches with a literal pattern
    std::vector<std::unique_ptr<Node>> children;

    const Node& child(std::size_t index) const { return *children[index]; }
    Node& child_mutable(std::size_t index) { return *children[index]; }
};

struct ProgramBody {
    std::string source;
    std::unique_ptr<Node> tree;
    std::vector<std::string> roots;
    std::uint32_t variable_count = 0;
    std::vector<Reference> references;
    std::optional<Kind> static_kind;
};

std::string_view symbol_of(Operator op);

} // namespace baton::orchestrator::expression
