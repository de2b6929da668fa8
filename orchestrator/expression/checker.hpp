// What can be said about a tree before it runs: which names it reads, which functions do not exist,
// which types cannot fit. Private to this room.
#pragma once

#include "orchestrator/expression/functions.hpp"
#include "orchestrator/expression/node.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::expression {

class Checker {
public:
    Checker(const CompileOptions& options, std::vector<Diagnostic>& diagnostics)
        : options_(options), diagnostics_(diagnostics) {}

    // The kind of the value when it is certain. Prepares literal patterns and times on the way.
    // Without options.check it prepares, but complains about nothing.
    std::optional<Kind> check(Node& node);

private:
    using MaybeKind = std::optional<Kind>;

    MaybeKind of_path(const Node& node) const;
    MaybeKind select(Node& node);
    MaybeKind index(Node& node);
    MaybeKind map(Node& node);
    MaybeKind prefix(Node& node);
    MaybeKind logic(Node& node);
    MaybeKind conditional(Node& node);
    MaybeKind binary(Node& node);
    MaybeKind call(Node& node);
    MaybeKind macro(Node& node);
    MaybeKind fallback(Node& node);
    bool count_fits(const Node& node);
    void prepare_pattern(Node& node);
    bool prepare_time(Node& node);
    void need_boolean(const Node& node, MaybeKind kind, std::string_view where);
    void complain(Place place, std::string message);

    const CompileOptions& options_;
    std::vector<Diagnostic>& diagnostics_;
};

// Every root the tree reads, in the order of the source.
std::vector<Reference> references_of(const Node& tree);

} // namespace baton::orchestrator::expression
