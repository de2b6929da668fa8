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

constexpr const char* number_hint =
    "an input of type number is always a double: write 2.0 for 2, or declare an integer";

// The inside of a value that is nothing but ${..}.
std::optional<std::string_view> unwrapped(std::string_view text) {
    if (!text.starts_with("${") || !text.ends_with('}')) return std::nullopt;
    const std::string_view inside = text.substr(2, text.size() - 3);
    if (inside.find("${") != std::string_view::npos || inside.empty()) return std::nullopt;
    return inside;
}

} // namespace

expression::CompileOptions ExpressionReader::options(bool numbers) const {
    expression::CompileOptions options;
    options.kind_of_path =
        [this, numbers](std::span<const std::string_view> path) -> std::optional<expression::Kind> {
        if (path.size() < 2 || path.front() != "input") return std::nullopt;
        return kind_in(draft_.workflow.input, path.subspan(1), numbers);
    };
    return options;
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
    auto compiled = expression::compile(node.text, options());
    if (!compiled) {
        for (const expression::Diagnostic& diagnostic : compiled.error().all)
            complaints_.inside(About::data, node, diagnostic.offset, diagnostic.length,
                               diagnostic.message);
        return std::nullopt;
    }
    for (const expression::Reference& reference : compiled->references())
        draft_.uses.push_back({reference, &node, step, scope});
    if (const auto strict = expression::compile(node.text, options(true)); !strict)
        for (const expression::Diagnostic& diagnostic : strict.error().all)
            complaints_.warn_inside(About::data, node, diagnostic.offset, diagnostic.length,
                                    diagnostic.message, number_hint);
    return std::move(*compiled);
}

std::optional<expression::Program> ExpressionReader::condition(const TomlEntry& entry,
                                                               core::StepIndex step) {
    if (entry.value.is_boolean()) {
        complaints_.at_value(
            entry.value,
            fmt::format("{} must be an expression in quotes, not {}", entry.key,
                        describe(entry.value.kind)),
            fmt::format("write {} = \"{}\"", entry.key, entry.value.boolean ? "true" : "false"));
        return std::nullopt;
    }
    auto compiled = program(entry, step, Scope::step);
    if (!compiled) return std::nullopt;
    const auto kind = compiled->static_kind();
    if (kind && *kind != expression::Kind::boolean)
        complaints_.inside(About::data, entry.value, 0, entry.value.text.size(),
                           fmt::format("{} must give true or false; this gives a value of type {}",
                                       entry.key, expression::plain_name(*kind)));
    return compiled;
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
    auto compiled = expression::Template::compile(to_json(node), options());
    if (!compiled) {
        for (const expression::TemplateDiagnostic& found : compiled.error().all)
            complaints_.inside(About::data, node_at(node, found.pointer), found.diagnostic.offset,
                               found.diagnostic.length, found.diagnostic.message);
        note_uses_of_parts(node, step, scope);
        return std::nullopt;
    }
    for (const expression::TemplateReference& found : compiled->references())
        draft_.uses.push_back({found.reference, &node_at(node, found.pointer), step, scope});
    if (const auto strict = expression::Template::compile(to_json(node), options(true)); !strict)
        for (const expression::TemplateDiagnostic& found : strict.error().all)
            complaints_.warn_inside(About::data, node_at(node, found.pointer),
                                    found.diagnostic.offset, found.diagnostic.length,
                                    found.diagnostic.message, number_hint);
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
    if (const auto compiled = expression::Template::compile(to_json(node), options()))
        for (const expression::TemplateReference& found : compiled->references())
            draft_.uses.push_back({found.reference, &node, step, scope});
}

} // namespace baton::orchestrator::definition
