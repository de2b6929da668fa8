// See parameters_check.hpp.
#include "workers/parameters_check.hpp"

#include "base/json_text.hpp"
#include "base/printable.hpp"
#include "base/suggest.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace baton::workers {

namespace json = boost::json;

namespace {

using Words = std::vector<std::string_view>;

// No schema that people write is deeper.
constexpr int depth_max = 16;
// A name or value of somebody's schema within a line.
constexpr std::size_t named_max = 20;

const json::object* object_at(const json::object& object, std::string_view name) {
    const json::value* found = object.if_contains(name);
    return found ? found->if_object() : nullptr;
}

const json::array* list_at(const json::object& object, std::string_view name) {
    const json::value* found = object.if_contains(name);
    return found ? found->if_array() : nullptr;
}

Words texts_at(const json::object& object, std::string_view name) {
    Words texts;
    if (const json::array* list = list_at(object, name))
        for (const json::value& one : *list)
            if (one.is_string()) texts.emplace_back(one.get_string());
    return texts;
}

std::string joined(Words words) {
    const bool is_long = words.size() > named_max;
    if (is_long) words.resize(named_max);
    return printable(fmt::format("{}{}", fmt::join(words, ", "), is_long ? ", …" : ""));
}

// --- types ------------------------------------------------------------------------------------------

bool has_expression(const json::value& value) {
    if (const auto* text = value.if_string()) return std::string_view(*text).find("${") != std::string_view::npos;
    if (const auto* list = value.if_array()) return std::any_of(list->begin(), list->end(), has_expression);
    if (const auto* table = value.if_object())
        return std::any_of(table->begin(), table->end(), [](const auto& member) { return has_expression(member.value()); });
    return false;
}

// Only an expression: its value may be anything.
bool is_open(const json::value& value) {
    const auto* text = value.if_string();
    return text && std::string_view(*text).starts_with("${") && std::string_view(*text).ends_with("}");
}

// What a person calls a type of JSON Schema, and a value.
std::string_view word_of_type(std::string_view type) {
    if (type == "string") return "a text";
    if (type == "integer") return "a whole number";
    if (type == "number") return "a number";
    if (type == "boolean") return "true or false";
    if (type == "array") return "a list";
    if (type == "object") return "a table";
    return type;
}

std::string_view parameter_type(const json::value& value) {
    switch (value.kind()) {
    case json::kind::string: return "string";
    case json::kind::int64:
    case json::kind::uint64: return "integer";
    case json::kind::double_: return "number";
    case json::kind::bool_: return "boolean";
    case json::kind::array: return "array";
    case json::kind::object: return "object";
    case json::kind::null: return "null";
    }
    return "null";
}

bool is_of_type(const json::value& value, std::string_view type) {
    static const std::set<std::string_view> known{"string", "integer", "number", "boolean", "array", "object", "null"};
    if (!known.contains(type)) return true;
    const std::string_view own = parameter_type(value);
    if (own == "number" && type == "integer") return std::floor(value.get_double()) == value.get_double();
    return own == type || (own == "integer" && type == "number");
}

Words types_in(const json::object& schema) {
    if (const json::value* type = schema.if_contains("type"); type && type->is_string()) return {std::string_view(type->get_string())};
    return texts_at(schema, "type");
}

std::string shown(const json::value& value) {
    return value.is_string() ? printable(std::string_view(value.get_string())) : printable(write_json(value));
}

// What the schema takes instead, or nothing if the value may fit.
std::optional<std::string> misfit(const json::value& value, const json::object& schema, int depth) {
    if (is_open(value) || depth > depth_max) return std::nullopt;
    if (const Words types = types_in(schema); !types.empty()) {
        const bool fits = std::any_of(types.begin(), types.end(), [&](std::string_view type) { return is_of_type(value, type); });
        if (!fits) {
            std::vector<std::string> words;
            for (const std::string_view type : types) words.push_back(printable(word_of_type(type)));
            return fmt::format("{}, not {}", fmt::join(words, " or "), word_of_type(parameter_type(value)));
        }
    }
    if (const json::array* choices = list_at(schema, "enum"); choices && !has_expression(value)) {
        if (std::find(choices->begin(), choices->end(), value) == choices->end()) {
            std::vector<std::string> words;
            for (const json::value& one : *choices) words.push_back(shown(one));
            return fmt::format("{}, not {}", joined(Words(words.begin(), words.end())), shown(value));
        }
    }
    for (const char* name : {"anyOf", "oneOf"}) {
        const json::array* choices = list_at(schema, name);
        if (!choices || choices->empty()) continue;
        std::optional<std::string> first;
        const bool fits = std::any_of(choices->begin(), choices->end(), [&](const json::value& one) {
            const auto wrong = one.is_object() ? misfit(value, one.get_object(), depth + 1) : std::nullopt;
            if (wrong && !first) first = wrong;
            return !wrong;
        });
        if (!fits) return first;
    }
    if (const json::array* list = value.if_array())
        if (const json::object* items = object_at(schema, "items"))
            for (const json::value& one : *list)
                if (auto wrong = misfit(one, *items, depth + 1)) return "a list whose elements are " + *wrong;
    return std::nullopt;
}

// --- names ------------------------------------------------------------------------------------------

class Reading {
public:
    Reading(std::string_view task, const std::vector<Given>& given) : task_(task), given_(given) {
        for (const Given& one : given) there_.insert(one.name);
    }

    std::vector<Complaint> complaints;

    void read(const json::object& schema, int depth = 0) {
        if (depth > depth_max) return;
        read_names(schema);
        for (const std::string_view name : texts_at(schema, "required")) one_of({name});
        if (const json::array* choices = list_at(schema, "anyOf")) one_of(names_of(*choices));
        if (const json::array* all = list_at(schema, "allOf"))
            for (const json::value& one : *all)
                if (one.is_object()) read(one.get_object(), depth + 1);
        const json::object* condition = object_at(schema, "if");
        const json::object* otherwise = object_at(schema, "else");
        if (!condition || !otherwise) return;
        const Words names = texts_at(*condition, "required");
        if (!names.empty() && !has_any(names)) read(*otherwise, depth + 1);
    }

private:
    void read_names(const json::object& schema) {
        const json::object* properties = object_at(schema, "properties");
        if (const json::value* closed = schema.if_contains("additionalProperties");
            closed && *closed == json::value(false) && !schema.contains("patternProperties")) {
            Words known;
            if (properties)
                for (const auto& property : *properties) known.emplace_back(property.key());
            only(known);
        }
        if (const json::object* names = object_at(schema, "propertyNames"); names && names->contains("enum"))
            only(texts_at(*names, "enum"));
        if (!properties) return;
        for (const Given& one : given_)
            if (const json::object* wanted = object_at(*properties, one.name))
                if (const auto takes = misfit(one.value, *wanted, 0))
                    complaints.push_back({one.name, fmt::format("{}: '{}' takes {}", task_, printable(one.name), *takes), {}});
    }

    // Of alternatives that all name what they need; else anything goes.
    static Words names_of(const json::array& choices) {
        Words names;
        for (const json::value& one : choices) {
            const Words needed = one.is_object() ? texts_at(one.get_object(), "required") : Words{};
            if (needed.empty()) return {};
            names.insert(names.end(), needed.begin(), needed.end());
        }
        return names;
    }

    bool has_any(const Words& names) const {
        return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return there_.contains(name); });
    }

    void only(const Words& known) {
        for (const Given& one : given_) {
            if (std::find(known.begin(), known.end(), one.name) != known.end()) continue;
            const auto near = suggest(one.name, known);
            std::string hint = known.empty() ? "it takes none" : "it takes " + joined(known);
            if (near) hint = fmt::format("did you mean '{}'?", printable(*near));
            complaints.push_back({one.name, fmt::format("{} has no parameter '{}'", task_, printable(one.name)), std::move(hint)});
        }
    }

    void one_of(const Words& names) {
        if (names.empty() || has_any(names)) return;
        complaints.push_back({{}, names.size() == 1 ? fmt::format("{} needs the parameter '{}'", task_, joined(names))
                                                    : fmt::format("{} needs one of the parameters {}", task_, joined(names)), {}});
    }

    std::string_view task_;
    const std::vector<Given>& given_;
    std::set<std::string, std::less<>> there_;
};

} // namespace

std::vector<Complaint> complaints_about(std::string_view task, const json::object& schema, const std::vector<Given>& given) {
    Reading reading(task, given);
    reading.read(schema);
    return std::move(reading.complaints);
}

} // namespace baton::workers
