// Budgets of an evaluation.
#include "orchestrator/expression/work.hpp"

namespace baton::orchestrator::expression {

bool Work::fail_visits() {
    nodes_left_ = 0;
    return fail(ErrorKind::limit, "the expression takes too long: it reached its limit of steps");
}

bool Work::fail_bytes() {
    bytes_left_ = 0;
    return fail(ErrorKind::limit,
                "the expression makes too much data: it reached its limit of bytes");
}

bool Work::give(Value& result, std::string&& text) {
    if (!make(value_weight + text.size())) return false;
    result = Value::text(std::move(text));
    return true;
}

bool Work::give_bytes(Value& result, std::string&& bytes) {
    if (!make(value_weight + bytes.size())) return false;
    result = Value::bytes(std::move(bytes));
    return true;
}

bool Work::give(Value& result, std::vector<Value>&& items) {
    std::uint64_t weight = value_weight;
    for (const Value& item : items) {
        weight += weight_of(item, bytes_left_);
        if (weight > bytes_left_) return fail_bytes();
    }
    if (!make(weight)) return false;
    result = Value::list(std::move(items));
    return true;
}

bool Work::give(Value& result, std::vector<MapEntry>&& entries) {
    std::uint64_t weight = value_weight;
    for (const MapEntry& entry : entries) {
        weight += weight_of(entry.key, bytes_left_) + weight_of(entry.value, bytes_left_);
        if (weight > bytes_left_) return fail_bytes();
    }
    if (!make(weight)) return false;
    result = Value::map(std::move(entries));
    return true;
}

bool Work::compare(const Value& a, const Value& b, bool& equal_values) {
    equal_values = equal(a, b, nodes_left_);
    return nodes_left_ > 0 ? true : fail_visits();
}

} // namespace baton::orchestrator::expression
