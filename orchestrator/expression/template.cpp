// Finding ${..} in strings, compiling what is inside, filling it in.
#include "orchestrator/expression/template.hpp"

#include "base/utf8.hpp"
#include "orchestrator/expression/evaluator.hpp"
#include "orchestrator/expression/lexer.hpp"

#include <fmt/format.h>

namespace baton::orchestrator::expression {

// A piece of text, literal or computed.
struct TemplatePart {
    std::string literal;
    std::optional<Program> program;
    std::uint32_t offset = 0; // of the expression in its string
};

struct TemplateNode {
    enum class Form : std::uint8_t { constant, whole, text, array, object };

    Form form = Form::constant;
    boost::json::value constant;
    std::string pointer;
    std::vector<TemplatePart> parts;           // whole: one; text: all of them
    std::vector<std::string> keys;             // object
    std::vector<TemplateNode> children;        // array, object
    std::vector<TemplateReference> references; // root only
};

namespace {

// Documents may nest no deeper, so that walking them needs little stack.
constexpr std::size_t depth_max = 100;

struct Compiler {
    const CompileOptions& options;
    std::vector<TemplateDiagnostic> diagnostics;
    std::vector<TemplateReference> references;

    TemplateNode node(const boost::json::value& json, const std::string& pointer,
                      std::size_t depth);
    TemplateNode string(std::string_view text, const std::string& pointer);
    bool part(std::string_view text, std::size_t& at, TemplateNode& node);
    void keep_program(std::string_view source, std::uint32_t offset, TemplateNode& node);
    void complain(const std::string& pointer, std::size_t offset, std::size_t length,
                  std::string message);
};

void Compiler::complain(const std::string& pointer, std::size_t offset, std::size_t length,
                        std::string message) {
    diagnostics.push_back({pointer,
                           {std::move(message), static_cast<std::uint32_t>(offset),
                            static_cast<std::uint32_t>(length)}});
}

// RFC 6901: ~ and / inside a key are escaped.
std::string pointer_to(const std::string& parent, std::string_view key) {
    std::string pointer = parent + "/";
    for (const char c : key) {
        if (c == '~')
            pointer += "~0";
        else if (c == '/')
            pointer += "~1";
        else
            pointer += c;
    }
    return pointer;
}

// The offset of the } that ends the expression beginning at `begin`. Braces in strings and of maps
// do not count, therefore the text is read by the words of the language.
struct ExpressionEnd {
    std::optional<std::size_t> brace;
    std::optional<Token> mistake; // the first, for the message when there is no end
};

ExpressionEnd find_end(std::string_view text, std::size_t begin) {
    Lexer lexer{text, static_cast<std::uint32_t>(begin)};
    ExpressionEnd end;
    int open = 0;
    while (true) {
        Token token = lexer.next();
        if (token.kind == TokenKind::end) return end;
        if (token.kind == TokenKind::error && !end.mistake)
            end.mistake = std::move(token);
        else if (token.is("{"))
            ++open;
        else if (token.is("}") && open-- == 0) {
            end.brace = token.place.offset;
            return end;
        }
    }
}

TemplateNode Compiler::node(const boost::json::value& json, const std::string& pointer,
                            std::size_t depth) {
    TemplateNode made;
    made.pointer = pointer;
    if (depth > depth_max) {
        complain(pointer, 0, 0,
                 fmt::format("the value is nested more than {} levels deep", depth_max));
        return made;
    }
    if (const auto* text = json.if_string()) return string({text->data(), text->size()}, pointer);
    bool constant = true;
    if (const auto* array = json.if_array()) {
        made.form = TemplateNode::Form::array;
        for (std::size_t i = 0; i < array->size(); ++i) {
            made.children.push_back(
                node((*array)[i], pointer_to(pointer, fmt::format("{}", i)), depth + 1));
            constant = constant && made.children.back().form == TemplateNode::Form::constant;
        }
    } else if (const auto* object = json.if_object()) {
        made.form = TemplateNode::Form::object;
        for (const auto& field : *object) {
            const std::string_view key{field.key()};
            made.keys.emplace_back(key);
            made.children.push_back(node(field.value(), pointer_to(pointer, key), depth + 1));
            constant = constant && made.children.back().form == TemplateNode::Form::constant;
        }
    } else {
        made.constant = json;
        return made;
    }
    if (!constant) return made;
    // Nothing inside is computed: keep the whole as one value. Children may hold resolved $${.
    if (json.is_array()) {
        boost::json::array array;
        for (auto& child : made.children)
            array.push_back(std::move(child.constant));
        made.constant = std::move(array);
    } else {
        boost::json::object object;
        for (std::size_t i = 0; i < made.keys.size(); ++i)
            object[made.keys[i]] = std::move(made.children[i].constant);
        made.constant = std::move(object);
    }
    made.form = TemplateNode::Form::constant;
    made.children.clear();
    made.keys.clear();
    return made;
}

TemplateNode Compiler::string(std::string_view text, const std::string& pointer) {
    TemplateNode made;
    made.pointer = pointer;
    made.form = TemplateNode::Form::text;
    if (const auto invalid = first_invalid_utf8(text)) {
        complain(pointer, *invalid, 1, "the text is not valid UTF-8");
        return made;
    }
    std::string literal;
    bool escaped = false;
    const auto keep_literal = [&] {
        if (!literal.empty()) made.parts.push_back({std::move(literal), std::nullopt, 0});
        literal.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with("$${")) {
            literal += "${";
            escaped = true;
            at += 3;
        } else if (text.substr(at).starts_with("${")) {
            keep_literal();
            if (!part(text, at, made)) return made;
        } else {
            literal += text[at++];
        }
    }
    const bool no_parts = made.parts.empty();
    if (no_parts) {
        made.form = TemplateNode::Form::constant;
        made.constant = boost::json::string{escaped ? std::string_view{literal} : text};
        return made;
    }
    keep_literal();
    if (made.parts.size() == 1) made.form = TemplateNode::Form::whole;
    return made;
}

// From "${" at `at` to behind its "}". False if there is no "}": the rest makes no sense then.
bool Compiler::part(std::string_view text, std::size_t& at, TemplateNode& made) {
    const std::size_t begin = at + 2;
    const ExpressionEnd end = find_end(text, begin);
    if (!end.brace) {
        if (end.mistake)
            complain(made.pointer, end.mistake->place.offset, end.mistake->place.length,
                     end.mistake->text);
        else
            complain(made.pointer, at, 2, "'${' is not closed; a plain '${' is written '$${'");
        return false;
    }
    keep_program(text.substr(begin, *end.brace - begin), static_cast<std::uint32_t>(begin), made);
    at = *end.brace + 1;
    return true;
}

void Compiler::keep_program(std::string_view source, std::uint32_t offset, TemplateNode& made) {
    auto compiled = expression::compile(source, options);
    if (!compiled) {
        for (Diagnostic& diagnostic : compiled.error().all) {
            diagnostic.offset += offset;
            diagnostics.push_back({made.pointer, std::move(diagnostic)});
        }
        made.parts.push_back({}); // keeps the number of parts
        return;
    }
    for (Reference reference : compiled->references()) {
        reference.offset += offset;
        for (Reference::Part& step : reference.path)
            step.offset += offset;
        references.push_back({made.pointer, std::move(reference)});
    }
    made.parts.push_back({{}, std::move(*compiled), offset});
}

// Fills in one template; its limits shrink from expression to expression.
struct Filler {
    const Lookup& lookup;
    Limits left;
    TemplateError failure;

    bool fill(const TemplateNode& node, boost::json::value& out);
    bool value_of(const TemplateNode& node, const TemplatePart& part, Value& value);
    bool text(const TemplateNode& node, boost::json::value& out);
};

bool Filler::value_of(const TemplateNode& node, const TemplatePart& part, Value& value) {
    Evaluator evaluator{part.program->body(), lookup, left};
    // What is written out is paid for as well, also when it only passes through.
    const bool good = evaluator.run(value) && evaluator.work().make_item(value);
    left = evaluator.work().left();
    if (good) return true;
    failure.pointer = node.pointer;
    failure.error = std::move(evaluator.work().error());
    failure.error.offset += part.offset;
    return false;
}

bool Filler::text(const TemplateNode& node, boost::json::value& out) {
    std::string text;
    for (const TemplatePart& part : node.parts) {
        if (!part.program) {
            text += part.literal;
            continue;
        }
        Value value;
        if (!value_of(node, part, value)) return false;
        if (value.kind() == Kind::text)
            text += value.as_text();
        else
            text += to_plain_text(value);
    }
    out = boost::json::string{text};
    return true;
}

bool Filler::fill(const TemplateNode& node, boost::json::value& out) {
    switch (node.form) {
    case TemplateNode::Form::constant:
        out = node.constant;
        return true;
    case TemplateNode::Form::text:
        return text(node, out);
    case TemplateNode::Form::whole: {
        Value value;
        if (!value_of(node, node.parts.front(), value)) return false;
        out = to_json(value);
        return true;
    }
    case TemplateNode::Form::array: {
        boost::json::array& array = out.emplace_array();
        array.reserve(node.children.size());
        for (const TemplateNode& child : node.children) {
            array.emplace_back(nullptr);
            if (!fill(child, array.back())) return false;
        }
        return true;
    }
    case TemplateNode::Form::object: {
        boost::json::object& object = out.emplace_object();
        object.reserve(node.children.size());
        for (std::size_t i = 0; i < node.children.size(); ++i)
            if (!fill(node.children[i], object[node.keys[i]])) return false;
        return true;
    }
    }
    return false;
}

} // namespace

Template::CompileResult Template::compile(const boost::json::value& json,
                                          const CompileOptions& options) {
    Compiler compiler{options, {}, {}};
    TemplateNode root = compiler.node(json, "", 0);
    if (!compiler.diagnostics.empty()) return TemplateDiagnostics{std::move(compiler.diagnostics)};
    root.references = std::move(compiler.references);
    return Template{std::make_shared<const TemplateNode>(std::move(root))};
}

Template::EvaluateResult Template::evaluate(const Lookup& lookup, const Limits& limits) const {
    Filler filler{lookup, limits, {}};
    boost::json::value result;
    if (!filler.fill(*root_, result)) return std::move(filler.failure);
    return result;
}

const std::vector<TemplateReference>& Template::references() const {
    return root_->references;
}

bool Template::is_constant() const {
    return root_->form == TemplateNode::Form::constant;
}

std::optional<Kind> Template::static_kind() const {
    switch (root_->form) {
    case TemplateNode::Form::constant:
        return Value::borrowing_json(root_->constant).kind();
    case TemplateNode::Form::whole:
        return root_->parts.front().program->static_kind();
    case TemplateNode::Form::text:
        return Kind::text;
    case TemplateNode::Form::array:
        return Kind::list;
    case TemplateNode::Form::object:
        return Kind::map;
    }
    return std::nullopt;
}

} // namespace baton::orchestrator::expression
