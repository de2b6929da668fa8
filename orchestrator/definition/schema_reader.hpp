// JSON Schemas in texts of their own: what a field of [input] or a form must look like. They stand
// in files beside the workflow, or in the [schemas] of a file that was deployed with them.
#pragma once

#include "orchestrator/core/workflow.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

// Where their texts come from.
struct SchemaTexts {
    using Find = std::function<std::optional<std::string>(const std::string& name)>;

    std::map<std::string, std::string, std::less<>> own; // of [schemas]
    bool has_own = false;                                // then nothing else is looked at
    Find find; // a file beside the workflow; null: there are none
    std::map<std::string, std::string, std::less<>> used; // those that came from there

    std::optional<std::string> text(const std::string& name);
};

// Whether it can name a file beside the workflow or below: "schemas/members.json".
bool is_schema_name(std::string_view name);

// Draft 7. What a core::Schema can say is said by it, so that expressions are checked and forms are
// drawn; the rest is kept as it is (Schema::document). `problem` says what is wrong, and is empty
// if nothing is.
core::Schema read_schema(std::string_view text, std::string& problem);
// Of an object: its properties.
std::vector<core::SchemaField> read_schema_fields(std::string_view text, std::string& problem);

} // namespace baton::orchestrator::definition
