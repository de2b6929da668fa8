// Expressions of a file, compiled.
#include "orchestrator/definition/expression_reader.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::definition {

namespace {

using core::Schema;

// What an expression finds behind input.NAME, when the schema leaves no doubt.
std::optional<expression::Kind> kind_of(const Schema& schema, bool numbers) {
    if (schema.nullable) return std::nullopt;
    switch (schema.type) {
    case Schema::Type::string:
        return expression::Kind::text;
    case Schema::Type::boolean:
        return expression::Kind::boolean;
    case Schema::Type::integer:
        return expression::Kind::integer;
    case Schema::Type::array:
        return expression::Kind::list;
    case Schema::Type::object:
        return expression::Kind::map;
    case Schema::Type::number:
        if (numbers) return expression::Kind::real;
        return std::nullopt;
    case Schema::Type::any:
        return std::nullopt;
    }
    return std::nullopt;
}

std::optional<expression::Kind> kind_in(const std::vector<core::SchemaField>& fields,
                                        std::span<const std::string_view> path, bool numbers) {
    for (const core::SchemaField& field : fields) {
        if (field.name != path.front()) continue;
        if (path.size() == 1) return kind_of(field.schema, numbers);
        if (field.schema.type != Schema::Type::object) return std::nullopt;
        return kind_in(field.schema.fields, path.subspan(1), numbers);
    }
    return std::nullopt;
}

std::optional<expression::Kind> kind_of_field(Repeats repeats, std::string_view field) {
    if (!contains(fields_of(repeats), field) || field == "last") return std::nullopt;
    return field == "results" ? expression::Kind::list : expression::Kind::integer;
}

// What an expression reads that is nothing but a path, `input.members`; null if it is more.
const expression::Reference* only_path(const expression::Program& program) {
    if (program.references().size() != 1) return nullptr;
    const expression::Reference& reference = program.references().front();
    if (reference.offset != 0 || reference.path.empty()) return nullptr;
    const auto& last = reference.path.back();
    return last.offset + last.length == program.source().size() ? &reference : nullptr;
}

constexpr const char* number_hint =
    "an input of type number is always a double: write 2.0 for 2, or declare an integer";

constexpr const char* result_hint = "that is what the worker says of its result";

// The inside of a value that is nothing but ${..}.
std::optional<std::string_view> unwrapped(std::string_view text) {
    if (!text.starts_with("${") || !text.ends_with('}')) return std::nullopt;
    const std::string_view inside = text.substr(2, text.size() - 3);
    if (inside.find("${") != std::string_view::npos || inside.empty()) return std::nullopt;
    return inside;
}

} // namespace

expression::CompileOptions ExpressionReader::options(core::StepIndex step, Scope scope,
                                                     bool numbers) const {
    expression::CompileOptions options;
    options.kind_of_path = [this, step, scope, numbers](
                               std::span<const std::string_view> path) -> std::optional<expression::Kind> {
        if (path.front() != "input") return kind_of_repeated(path, step, scope, numbers);
        if (path.size() < 2) return std::nullopt;
        return kind_in(draft_.workflow.input, path.subspan(1), numbers);
    };
    return options;
}

expression::CompileOptions ExpressionReader::options_with_results(core::StepIndex step, Scope scope) const {
    auto with_results = options(step, scope);
    with_results.kind_of_path = [this, known = with_results.kind_of_path](
                                    std::span<const std::string_view> path) -> std::optional<expression::Kind> {
        if (const auto kind = known(path); kind || path.size() != 2) return kind;
        for (const DraftStep& one : draft_.steps) {
            if (one.step.id != path.front() || one.repeats != Repeats::no) continue;
            const ResultFields* fields = known_fields(draft_, one.step);
            const auto field = fields == nullptr ? ResultFields::const_iterator{} : fields->find(path.back());
            return fields == nullptr || field == fields->end() ? std::nullopt : field->second;
        }
        return std::nullopt;
    };
    return with_results;
}

// Called for what compiles without them.
void ExpressionReader::warn_about_results(const TomlNode& node, core::StepIndex step, Scope scope) {
    if (draft_.results == nullptr) return;
    const auto strict = expression::Template::compile(to_json(node), options_with_results(step, scope));
    if (strict) return;
    for (const expression::TemplateDiagnostic& found : strict.error().all)
        complaints_.warn_inside(About::data, node_at(node, found.pointer), found.diagnostic.offset,
                                found.diagnostic.length, found.diagnostic.message, result_hint);
}

// Of an item, of `index`, and of what repeated steps give.
std::optional<expression::Kind>
ExpressionReader::kind_of_repeated(std::span<const std::string_view> path, core::StepIndex step,
                                   Scope scope, bool numbers) const {
    core::StepIndex around = instance_around(draft_, step, scope);
    if (path.front() == "index")
        return around != core::no_step && path.size() == 1 ? std::optional(expression::Kind::integer) : std::nullopt;
    if (const auto found = draft_.repeated.find(path.front()); found != draft_.repeated.end()) {
        const bool is_inside = step == found->second || is_around(draft_, found->second, step);
        if (path.size() != 2 || is_inside) return std::nullopt;
        return kind_of_field(draft_.steps[found->second].repeats, path.back());
    }
    for (; around != core::no_step; around = instance_around(draft_, draft_.steps[around].parent, Scope::step)) {
        const DraftStep& repeated = draft_.steps[around];
        if (repeated.repeats != Repeats::for_each || repeated.item != path.front()) continue;
        if (!repeated.item_schema) return std::nullopt;
        if (path.size() == 1) return kind_of(*repeated.item_schema, numbers);
        return kind_in(repeated.item_schema->fields, path.subspan(1), numbers);
    }
    return std::nullopt;
}

std::optional<core::Schema> ExpressionReader::schema_of_items(const expression::Program& list) const {
    const Schema* schema = schema_of(list);
    if (schema == nullptr || schema->type != Schema::Type::array || !schema->items) return std::nullopt;
    return *schema->items;
}

const core::Schema* ExpressionReader::schema_of(const expression::Program& program) const {
    const expression::Reference* reference = only_path(program);
    if (reference == nullptr || reference->root != "input") return nullptr;
    const std::vector<core::SchemaField>* fields = &draft_.workflow.input;
    const Schema* schema = nullptr;
    for (const auto& part : reference->path) {
        const auto found = std::find_if(fields->begin(), fields->end(),
                                        [&](const core::SchemaField& field) { return field.name == part.name; });
        if (found == fields->end()) return nullptr;
        schema = &found->schema;
        fields = &schema->fields;
    }
    return schema;
}

// More than kind_of_path says, which must stay silent where files are live already.
std::optional<expression::Kind> ExpressionReader::kind_of_list(const expression::Program& program) const {
    if (const auto kind = program.static_kind()) return kind;
    if (const Schema* schema = schema_of(program)) return kind_of(*schema, true);
    const expression::Reference* reference = only_path(program);
    if (reference == nullptr || reference->root != "vars") return std::nullopt;
    const boost::json::value* constant = &draft_.workflow.vars.json();
    for (const auto& part : reference->path) {
        const auto* table = constant->if_object();
        constant = table != nullptr ? table->if_contains(part.name) : nullptr;
        if (constant == nullptr) return std::nullopt;
    }
    return expression::Value::borrowing_json(*constant).kind();
}

std::optional<expression::Program> ExpressionReader::program(const TomlEntry& entry,
                                                             core::StepIndex step, Scope scope) {
    const TomlNode& node = entry.value;
    if (!node.is_text()) {
        complaints_.at_value(node, fmt::format("{} must be an expression in quotes, not {}",
                                               entry.key, describe(node.kind)));
        return std::nullopt;
    }
    if (const std::size_t dollar = node.text.find("${"); dollar != std::string::npos) {
        const auto inside = unwrapped(node.text);
        complaints_.inside(
            About::data, node, dollar, 2,
            fmt::format("{} is always an expression, so it is written without ${{}}", entry.key),
            inside ? fmt::format("write {} = \"{}\"", entry.key, *inside) : "");
        return std::nullopt;
    }
    auto compiled = expression::compile(node.text, options(step, scope));
    if (!compiled) {
        for (const expression::Diagnostic& diagnostic : compiled.error().all)
            complaints_.inside(About::data, node, diagnostic.offset, diagnostic.length,
                               diagnostic.message);
        return std::nullopt;
    }
    for (const expression::Reference& reference : compiled->references())
        draft_.uses.push_back({reference, &node, step, scope});
    if (const auto strict = expression::compile(node.text, options(step, scope, true)); !strict)
        for (const expression::Diagnostic& diagnostic : strict.error().all)
            complaints_.warn_inside(About::data, node, diagnostic.offset, diagnostic.length,
                                    diagnostic.message, number_hint);
    if (draft_.results != nullptr)
        if (const auto strict = expression::compile(node.text, options_with_results(step, scope)); !strict)
            for (const expression::Diagnostic& diagnostic : strict.error().all)
                complaints_.warn_inside(About::data, node, diagnostic.offset, diagnostic.length,
                                        diagnostic.message, result_hint);
    return std::move(*compiled);
}

std::optional<expression::Program> ExpressionReader::condition(const TomlEntry& entry,
                                                               core::StepIndex step,
                                                               Scope scope) {
    if (entry.value.is_boolean()) {
        complaints_.at_value(
            entry.value,
            fmt::format("{} must be an expression in quotes, not {}", entry.key,
                        describe(entry.value.kind)),
            fmt::format("write {} = \"{}\"", entry.key, entry.value.boolean ? "true" : "false"));
        return std::nullopt;
    }
    auto compiled = program(entry, step, scope);
    if (!compiled) return std::nullopt;
    const auto kind = compiled->static_kind();
    if (kind && *kind != expression::Kind::boolean)
        complaints_.inside(About::data, entry.value, 0, entry.value.text.size(),
                           fmt::format("{} must give true or false; this gives a value of type {}",
                                       entry.key, expression::plain_name(*kind)));
    return compiled;
}

std::optional<expression::Program> ExpressionReader::list(const TomlEntry& entry,
                                                          core::StepIndex step) {
    auto compiled = program(entry, step, Scope::whole);
    if (!compiled) return std::nullopt;
    const auto kind = kind_of_list(*compiled);
    if (!kind || *kind == expression::Kind::list) return compiled;
    complaints_.inside(About::data, entry.value, 0, entry.value.text.size(),
                       fmt::format("for_each must give a list; this gives a value of type {}",
                                   expression::plain_name(*kind)),
                       *kind == expression::Kind::map ? "its keys are a list: .keys(), its values: .values()" : "");
    return std::nullopt;
}

std::optional<expression::Program> ExpressionReader::moment(const TomlEntry& entry,
                                                            core::StepIndex step) {
    auto compiled = program(entry, step, Scope::step);
    if (!compiled) return std::nullopt;
    const auto kind = compiled->static_kind();
    if (kind && *kind != expression::Kind::timestamp && *kind != expression::Kind::text)
        complaints_.inside(
            About::data, entry.value, 0, entry.value.text.size(),
            fmt::format("{} must give a time; this gives a value of type {}", entry.key,
                        expression::plain_name(*kind)),
            fmt::format("write {} = \"timestamp('2026-01-31T12:00:00Z')\"", entry.key));
    return compiled;
}

std::optional<expression::Template> ExpressionReader::values(const TomlNode& node,
                                                             core::StepIndex step, Scope scope) {
    auto compiled = expression::Template::compile(to_json(node), options(step, scope));
    if (!compiled) {
        for (const expression::TemplateDiagnostic& found : compiled.error().all)
            complaints_.inside(About::data, node_at(node, found.pointer), found.diagnostic.offset,
                               found.diagnostic.length, found.diagnostic.message);
        note_uses_of_parts(node, step, scope);
        return std::nullopt;
    }
    for (const expression::TemplateReference& found : compiled->references())
        draft_.uses.push_back({found.reference, &node_at(node, found.pointer), step, scope});
    if (const auto strict = expression::Template::compile(to_json(node), options(step, scope, true)); !strict)
        for (const expression::TemplateDiagnostic& found : strict.error().all)
            complaints_.warn_inside(About::data, node_at(node, found.pointer),
                                    found.diagnostic.offset, found.diagnostic.length,
                                    found.diagnostic.message, number_hint);
    warn_about_results(node, step, scope);
    warn_about_plain_text(node);
    return std::move(*compiled);
}

std::optional<expression::Template> ExpressionReader::table(const TomlEntry& entry,
                                                            std::string_view example,
                                                            core::StepIndex step, Scope scope) {
    const TomlNode& node = entry.value;
    if (!node.is_table() && !(node.is_text() && node.text.find("${") != std::string::npos)) {
        complaints_.at_value(node, fmt::format("{} must be a table such as {}, not {}", entry.key,
                                               example, describe(node.kind)));
        return std::nullopt;
    }
    auto compiled = values(node, step, scope);
    if (!compiled) return std::nullopt;
    const auto kind = compiled->static_kind();
    if (kind && *kind != expression::Kind::map)
        complaints_.at_value(node, fmt::format("{} must give a table; this gives a value of type {}",
                                               entry.key, expression::plain_name(*kind)));
    return compiled;
}

// "input.email" where "${input.email}" was meant: nobody wants to send those words.
void ExpressionReader::warn_about_plain_text(const TomlNode& node) {
    for (const TomlNode& item : node.items)
        warn_about_plain_text(item);
    for (const TomlEntry& entry : node.entries)
        warn_about_plain_text(entry.value);
    constexpr std::string_view root = "input.";
    if (!node.is_text() || !node.text.starts_with(root)) return;
    const std::string_view name = std::string_view(node.text).substr(root.size());
    for (const core::SchemaField& field : draft_.workflow.input)
        if (field.name == name)
            complaints_.warn_at_value(node, fmt::format("\"{}\" is plain text", node.text),
                                      fmt::format("did you mean \"${{{}}}\"?", node.text));
}

// One broken text must not hide what the others beside it read.
void ExpressionReader::note_uses_of_parts(const TomlNode& node, core::StepIndex step, Scope scope) {
    for (const TomlNode& item : node.items)
        note_uses_of_parts(item, step, scope);
    for (const TomlEntry& entry : node.entries)
        note_uses_of_parts(entry.value, step, scope);
    if (!node.is_text()) return;
    if (const auto compiled = expression::Template::compile(to_json(node), options(step, scope)))
        for (const expression::TemplateReference& found : compiled->references())
            draft_.uses.push_back({found.reference, &node, step, scope});
}

} // namespace baton::orchestrator::definition
