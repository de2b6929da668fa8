// Types as far as they are certain, and references.
#include "orchestrator/expression/checker.hpp"

#include "base/suggest.hpp"
#include "orchestrator/expression/operators.hpp"
#include "orchestrator/expression/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::expression {

namespace {

constexpr Kind all_kinds[] = {Kind::null,     Kind::boolean, Kind::integer, Kind::unsigned_integer,
                              Kind::real,     Kind::text,    Kind::bytes,   Kind::timestamp,
                              Kind::duration, Kind::list,    Kind::map,     Kind::type};

std::string names_of(Kinds set) {
    std::string names;
    for (const Kind kind : all_kinds) {
        if (!contains(set, kind)) continue;
        if (!names.empty()) names += " or ";
        names += plain_name(kind);
    }
    return names;
}

// A root with everything selected from it, or a node that is no such chain.
const Node* root_of(const Node& node, std::vector<const Node*>& parts) {
    const Node* at = &node;
    while (true) {
        const bool by_name =
            at->kind == NodeKind::select || (at->kind == NodeKind::has && at->children.size() == 1);
        const bool by_text = (at->kind == NodeKind::index || at->kind == NodeKind::has) &&
                             at->children.size() == 2 && at->child(1).kind == NodeKind::literal &&
                             at->child(1).value.kind() == Kind::text;
        if (!by_name && !by_text) break;
        parts.push_back(at);
        at = &at->child(0);
    }
    std::reverse(parts.begin(), parts.end());
    return at->kind == NodeKind::root ? at : nullptr;
}

Reference::Part part_of(const Node& node) {
    const bool by_name = node.children.size() == 1;
    const Place place = by_name ? node.place : node.child(1).place;
    const Value& name = by_name ? node.value : node.child(1).value;
    return {std::string{name.as_text()}, place.offset, place.length};
}

void collect(const Node& node, bool guarded, std::vector<Reference>& out) {
    std::vector<const Node*> parts;
    const bool inside = guarded || node.kind == NodeKind::has;
    if (const Node* root = root_of(node, parts)) {
        Reference reference;
        reference.root = root->name;
        for (const Node* part : parts)
            reference.path.push_back(part_of(*part));
        reference.offset = root->place.offset;
        reference.length = root->place.length;
        reference.guarded = inside;
        reference.is_type_name = root->value.kind() == Kind::type;
        out.push_back(std::move(reference));
        return;
    }
    for (std::size_t i = 0; i < node.children.size(); ++i)
        collect(node.child(i), inside || (node.kind == NodeKind::fallback && i == 0), out);
}

} // namespace

std::vector<Reference> references_of(const Node& tree) {
    std::vector<Reference> references;
    collect(tree, false, references);
    return references;
}

void Checker::complain(Place place, std::string message) {
    // Nobody reads more, and each costs a search for similar names.
    constexpr std::size_t diagnostics_max = 100;
    if (options_.check && diagnostics_.size() < diagnostics_max)
        diagnostics_.push_back({std::move(message), place.offset, place.length});
}

Checker::MaybeKind Checker::check(Node& node) {
    switch (node.kind) {
    case NodeKind::literal:
        return node.value.kind();
    case NodeKind::variable:
        return std::nullopt;
    case NodeKind::root:
        return of_path(node);
    case NodeKind::select:
        return select(node);
    case NodeKind::has:
        for (auto& child : node.children)
            check(*child);
        return Kind::boolean;
    case NodeKind::index:
        return index(node);
    case NodeKind::list:
        for (auto& child : node.children)
            check(*child);
        return Kind::list;
    case NodeKind::map:
        return map(node);
    case NodeKind::negate:
    case NodeKind::invert:
        return prefix(node);
    case NodeKind::both:
    case NodeKind::either:
        return logic(node);
    case NodeKind::conditional:
        return conditional(node);
    case NodeKind::binary:
        return binary(node);
    case NodeKind::call:
        return call(node);
    case NodeKind::fallback:
        return fallback(node);
    case NodeKind::all:
    case NodeKind::exists:
    case NodeKind::exists_one:
    case NodeKind::transform:
    case NodeKind::filter:
    case NodeKind::choose:
        return macro(node);
    }
    return std::nullopt;
}

Checker::MaybeKind Checker::of_path(const Node& node) const {
    if (!options_.kind_of_path) return std::nullopt;
    std::vector<const Node*> parts;
    const Node* root = root_of(node, parts);
    if (root == nullptr) return std::nullopt;
    std::vector<std::string> names;
    for (const Node* part : parts)
        names.push_back(part_of(*part).name);
    std::vector<std::string_view> path{root->name};
    path.insert(path.end(), names.begin(), names.end());
    return options_.kind_of_path(path);
}

Checker::MaybeKind Checker::select(Node& node) {
    const MaybeKind target = check(node.child_mutable(0));
    if (target && *target != Kind::map && *target != Kind::null) {
        const std::string_view name = node.value.as_text();
        const Function* function = find_function(name);
        complain(
            node.place,
            fmt::format("{} has no field '{}'{}", with_article(*target), name,
                        function != nullptr ? fmt::format("; did you mean '{}()'?", name) : ""));
    }
    return of_path(node);
}

Checker::MaybeKind Checker::index(Node& node) {
    const MaybeKind target = check(node.child_mutable(0));
    const MaybeKind at = check(node.child_mutable(1));
    if (target && *target != Kind::map && *target != Kind::list && *target != Kind::null)
        complain(node.place, fmt::format("{} has no elements", with_article(*target)));
    if (target == Kind::list && at && *at != Kind::integer && *at != Kind::unsigned_integer)
        complain(node.child(1).extent,
                 fmt::format("the index of a list is an int, not {}", with_article(*at)));
    return of_path(node);
}

Checker::MaybeKind Checker::map(Node& node) {
    constexpr Kinds key_kinds =
        kinds(Kind::text, Kind::boolean, Kind::integer, Kind::unsigned_integer);
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        const MaybeKind kind = check(node.child_mutable(i));
        if (i % 2 == 0 && kind && !contains(key_kinds, *kind))
            complain(node.child(i).extent,
                     fmt::format("{} cannot be the key of a map", with_article(*kind)));
    }
    return Kind::map;
}

Checker::MaybeKind Checker::prefix(Node& node) {
    const MaybeKind operand = check(node.child_mutable(0));
    const bool is_minus = node.kind == NodeKind::negate;
    constexpr Kinds signed_kinds = kinds(Kind::integer, Kind::real, Kind::duration);
    if (operand && !contains(is_minus ? signed_kinds : kinds(Kind::boolean), *operand))
        complain(node.place,
                 fmt::format("no such overload: {}{}", is_minus ? '-' : '!', plain_name(*operand)));
    return is_minus ? operand : Kind::boolean;
}

void Checker::need_boolean(const Node& node, MaybeKind kind, std::string_view where) {
    if (kind && *kind != Kind::boolean)
        complain(node.extent, fmt::format("{} needs bool, this is {}", where, with_article(*kind)));
}

Checker::MaybeKind Checker::logic(Node& node) {
    for (auto& child : node.children) {
        const MaybeKind kind = check(*child);
        need_boolean(*child, kind, node.kind == NodeKind::both ? "&&" : "||");
    }
    return Kind::boolean;
}

Checker::MaybeKind Checker::conditional(Node& node) {
    need_boolean(node.child(0), check(node.child_mutable(0)), "the condition of ?:");
    const MaybeKind yes = check(node.child_mutable(1));
    const MaybeKind no = check(node.child_mutable(2));
    return yes == no ? yes : std::nullopt;
}

Checker::MaybeKind Checker::binary(Node& node) {
    const MaybeKind a = check(node.child_mutable(0));
    const MaybeKind b = check(node.child_mutable(1));
    const bool is_equality = node.op == Operator::equal || node.op == Operator::not_equal;
    if (is_equality) {
        if (a && b && !can_be_equal(*a, *b))
            complain(node.place,
                     fmt::format("{} never equals {}", with_article(*a), with_article(*b)));
        return Kind::boolean;
    }
    // An unknown side may be anything; the operation must exist for something at least.
    MaybeKind result;
    bool possible = false;
    bool certain = true;
    for (const Kind left : all_kinds) {
        if (a && *a != left) continue;
        for (const Kind right : all_kinds) {
            if (b && *b != right) continue;
            const MaybeKind kind = result_kind(node.op, left, right);
            if (!kind) continue;
            certain = certain && (!possible || kind == result);
            result = kind;
            possible = true;
        }
    }
    if (possible) return certain ? result : std::nullopt;
    if (a && b)
        complain(node.place, no_overload(node.op, *a, *b));
    else
        complain(node.place, fmt::format("no such overload: there is no {} with {}",
                                         symbol_of(node.op), with_article(a ? *a : *b)));
    return std::nullopt;
}

bool Checker::count_fits(const Node& node) {
    const Function& function = *node.function;
    const std::size_t count = node.children.size();
    const bool fits = count >= function.arguments_min &&
                      (count <= function.arguments_max || function.arguments_max == any_number);
    if (fits) return true;
    const int target = node.is_method ? 1 : 0;
    const int least = function.arguments_min - target;
    const int most = function.arguments_max - target;
    std::string wanted = fmt::format("{}", least);
    if (function.arguments_max == any_number)
        wanted = fmt::format("at least {}", std::max(least, 0));
    else if (most > least)
        wanted = fmt::format("{} to {}", std::max(least, 0), most);
    complain(node.place,
             fmt::format("{}() takes {} argument{}, here are {}", node.name, wanted,
                         wanted == "1" ? "" : "s", count - static_cast<std::size_t>(target)));
    return false;
}

Checker::MaybeKind Checker::call(Node& node) {
    std::vector<MaybeKind> known;
    known.reserve(node.children.size());
    for (auto& child : node.children)
        known.push_back(check(*child));
    if (node.function == nullptr) {
        std::vector<std::string_view> names{function_names().begin(), function_names().end()};
        const bool is_macro = std::ranges::count(macro_names(), node.name) > 0;
        const bool exists = find_function(node.name) != nullptr;
        std::string advice = did_you_mean(node.name, names);
        if (is_macro) advice = fmt::format("; it is written list.{}(x, ..)", node.name);
        if (exists) advice = fmt::format("; it is written {}(..)", node.name);
        complain(node.place, fmt::format("no {} '{}'{}", node.is_method ? "method" : "function",
                                         node.name, advice));
        return std::nullopt;
    }
    const Function& function = *node.function;
    if (!count_fits(node)) return function.result;
    for (std::size_t i = 0; i < known.size(); ++i) {
        const Kinds wanted = parameter_kinds(function, i);
        if (!known[i] || contains(wanted, *known[i])) continue;
        complain(node.is_method && i == 0 ? node.place : node.child(i).extent,
                 fmt::format("{}() takes {} here, not {}", node.name, names_of(wanted),
                             plain_name(*known[i])));
        return function.result;
    }
    prepare_pattern(node);
    if (prepare_time(node)) return node.value.kind();
    return function.result;
}

// A pattern that stands in the source is compiled once, not at every evaluation.
void Checker::prepare_pattern(Node& node) {
    if (node.name != "matches" || node.children.size() != 2) return;
    const Node& pattern = node.child(1);
    if (pattern.kind != NodeKind::literal || pattern.value.kind() != Kind::text) return;
    std::string problem;
    node.expression = compile_pattern(pattern.value.as_text(), problem);
    if (!node.expression) complain(pattern.place, problem);
}

// timestamp('..') and duration('..') of a literal become literals themselves.
bool Checker::prepare_time(Node& node) {
    if (node.name != "timestamp" && node.name != "duration") return false;
    if (node.children.size() != 1 || node.child(0).kind != NodeKind::literal) return false;
    Work work{Limits{}};
    Value value;
    const Value argument = node.child(0).value;
    if (!node.function->body(work, {&argument, 1}, value)) {
        complain(node.child(0).extent, work.error().message);
        return false;
    }
    node.kind = NodeKind::literal;
    node.value = std::move(value);
    node.children.clear();
    return true;
}

Checker::MaybeKind Checker::fallback(Node& node) {
    const MaybeKind value = check(node.child_mutable(0));
    const MaybeKind instead = check(node.child_mutable(1));
    return value == instead ? value : std::nullopt;
}

Checker::MaybeKind Checker::macro(Node& node) {
    const MaybeKind target = check(node.child_mutable(0));
    if (target && *target != Kind::list && *target != Kind::map)
        complain(node.place, fmt::format("{}() goes over a list or a map, this is {}", node.name,
                                         with_article(*target)));
    const MaybeKind first = check(node.child_mutable(1));
    const bool has_condition = node.kind != NodeKind::transform;
    if (has_condition) need_boolean(node.child(1), first, fmt::format("{}()", node.name));
    if (node.kind == NodeKind::choose) check(node.child_mutable(2));
    const bool makes_list = node.kind == NodeKind::transform || node.kind == NodeKind::filter ||
                            node.kind == NodeKind::choose;
    return makes_list ? Kind::list : Kind::boolean;
}

} // namespace baton::orchestrator::expression
