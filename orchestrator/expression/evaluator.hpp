// Walks a tree and computes its value. One Evaluator lives for one evaluation. Private to this
// room.
#pragma once

#include "orchestrator/expression/node.hpp"
#include "orchestrator/expression/work.hpp"

#include <optional>
#include <vector>

namespace baton::orchestrator::expression {

class Evaluator {
public:
    // Both must outlive the evaluator.
    Evaluator(const ProgramBody& program, const Lookup& lookup, const Limits& limits);

    // False after an error, which work().error() then holds.
    bool run(Value& result);
    Work& work() { return work_; }

private:
    bool evaluate(const Node& node, Value& result);
    bool fail_at(const Node& node);
    bool root(const Node& node, Value& result);
    bool select(const Node& node, Value& result);
    bool has(const Node& node, Value& result);
    bool index(const Node& node, Value& result);
    bool list(const Node& node, Value& result);
    bool map(const Node& node, Value& result);
    bool minus(const Node& node, Value& result);
    bool invert(const Node& node, Value& result);
    bool logic(const Node& node, bool decisive, Value& result);
    bool conditional(const Node& node, Value& result);
    bool binary(const Node& node, Value& result);
    bool call(const Node& node, Value& result);
    bool fallback(const Node& node, Value& result);
    bool quantifier(const Node& node, bool decisive, Value& result);
    bool exists_one(const Node& node, Value& result);
    bool collect(const Node& node, Value& result);

    // The list or the keys of the map a macro goes over.
    bool elements(const Node& node, Value& target, std::size_t& count);
    static Value element_at(const Value& target, std::size_t position);
    bool condition(const Node& node, std::string_view where, bool& holds);

    const ProgramBody& program_;
    const Lookup& lookup_;
    Work work_;
    // Roots that were looked up, then variables of macros.
    std::vector<std::optional<Value>> roots_;
    std::vector<Value> variables_;
};

} // namespace baton::orchestrator::expression
