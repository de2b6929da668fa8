// Finding functions by name.
#include "orchestrator/expression/functions.hpp"

#include "orchestrator/expression/parser.hpp"

#include <algorithm>
#include <vector>

namespace baton::orchestrator::expression {

namespace {

std::vector<const Function*> sorted_table() {
    std::vector<const Function*> table;
    for (const auto part :
         {conversion_functions(), text_functions(), list_functions(), time_functions()})
        for (const Function& function : part)
            table.push_back(&function);
    std::sort(table.begin(), table.end(),
              [](const Function* a, const Function* b) { return a->name < b->name; });
    return table;
}

const std::vector<const Function*>& table() {
    static const std::vector<const Function*> functions = sorted_table();
    return functions;
}

} // namespace

const Function* find_function(std::string_view name) {
    const auto found = std::lower_bound(
        table().begin(), table().end(), name,
        [](const Function* a, std::string_view wanted) { return a->name < wanted; });
    return found != table().end() && (*found)->name == name ? *found : nullptr;
}

std::span<const std::string_view> function_names() {
    static const std::vector<std::string_view> names = [] {
        std::vector<std::string_view> all{macro_names().begin(), macro_names().end()};
        for (const Function* function : table())
            all.push_back(function->name);
        std::sort(all.begin(), all.end());
        return all;
    }();
    return names;
}

} // namespace baton::orchestrator::expression
