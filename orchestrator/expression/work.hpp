// What one evaluation has left to spend, and the error it ended with. Private to this room.
#pragma once

#include "orchestrator/expression/bodies.hpp"
#include "orchestrator/expression/node.hpp"

#include <string>

namespace baton::orchestrator::expression {

class Work {
public:
    explicit Work(const Limits& limits)
        : nodes_left_(limits.nodes_max), bytes_left_(limits.bytes_max) {}

    // Each returns false after recording the error, so that callers write `return work.fail(..)`.
    bool fail(ErrorKind kind, std::string message) {
        error_.kind = kind;
        error_.message = std::move(message);
        return false;
    }

    // False when the evaluation did more than it may.
    bool visit(std::uint64_t nodes = 1) {
        if (nodes < nodes_left_) {
            nodes_left_ -= nodes;
            return true;
        }
        return fail_visits();
    }
    bool visit_text(std::string_view text) { return visit(text.size() / bytes_per_step + 1); }

    // To be asked before memory is made.
    bool make(std::uint64_t bytes) {
        if (bytes <= bytes_left_) {
            bytes_left_ -= bytes;
            return true;
        }
        return fail_bytes();
    }

    // Results of functions, paid for.
    bool give(Value& result, std::string&& text);
    bool give_bytes(Value& result, std::string&& bytes);
    bool give(Value& result, std::vector<Value>&& items);
    bool give(Value& result, std::vector<MapEntry>&& entries);

    // For lists under construction: pays for one more item.
    bool make_item(const Value& item) { return make(weight_of(item, bytes_left_)); }

    // Compares with ==, or fails when that costs too much.
    bool compare(const Value& a, const Value& b, bool& equal_values);

    std::uint64_t bytes_left() const { return bytes_left_; }
    const Limits left() const { return {nodes_left_, bytes_left_}; }
    EvaluationError& error() { return error_; }

    // While above zero nobody reads messages of missing values, so nobody writes them.
    int forgiving = 0;

private:
    bool fail_visits();
    bool fail_bytes();

    std::uint64_t nodes_left_;
    std::uint64_t bytes_left_;
    EvaluationError error_;
};

} // namespace baton::orchestrator::expression
