// Values become texts as expressions make texts of them.
#include "orchestrator/runtime/run_tags.hpp"

#include "orchestrator/core/data.hpp"
#include "orchestrator/expression/value.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace baton::orchestrator::runtime {

namespace {

constexpr std::size_t labels_max = 16;

Failure bad_tag(std::string what) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(what)};
}

// Whole letters of its beginning; a zero byte, which one of the databases cannot hold, ends it.
std::string kept(std::string text) {
    if (const auto zero = text.find('\0'); zero != std::string::npos) text.resize(zero);
    if (text.size() <= tag_value_bytes_max) return text;
    std::size_t end = tag_value_bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
    text.resize(end);
    return text;
}

// Nothing of null, lists and tables: nobody looks for those.
std::optional<std::string> tag_text(const boost::json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    if (value.is_null() || value.is_structured()) return std::nullopt;
    return expression::to_plain_text(expression::Value::borrowing_json(value));
}

} // namespace

std::string complaint_about_labels(const Labels& labels) {
    if (labels.size() > labels_max) return fmt::format("a run may have {} labels, here are {}", labels_max, labels.size());
    for (const auto& [name, value] : labels) {
        if (!core::is_tag_name(name))
            return fmt::format("'{}' cannot name a label; a name has letters, digits, _, . and -, 64 at most", name);
        if (value.size() > tag_value_bytes_max)
            return fmt::format("label '{}' has {} bytes; a label may have {}", name, value.size(), tag_value_bytes_max);
        if (value.find('\0') != std::string::npos) return fmt::format("label '{}' has a zero byte", name);
    }
    return {};
}

Outcome<std::vector<RunTag>> tags_of(const core::Workflow& workflow, const core::Run& run, const Labels& labels) {
    std::vector<RunTag> tags;
    if (const auto* input = run.input.json().if_object())
        for (const core::SchemaField& field : workflow.input) {
            if (!field.index) continue;
            const auto* value = input->if_contains(field.name);
            if (auto text = value == nullptr ? std::nullopt : tag_text(*value))
                tags.push_back({std::string(input_prefix) + field.name, kept(std::move(*text))});
        }
    Labels all = labels;
    for (const auto& [name, source] : workflow.labels) {
        if (all.contains(name)) continue;
        const auto value = core::fill(source, {workflow, run}, "labels." + name);
        if (!value) return bad_tag(value.error().detail);
        if (auto text = tag_text(value->json())) all.emplace(name, kept(std::move(*text)));
    }
    if (std::string complaint = complaint_about_labels(all); !complaint.empty()) return bad_tag(std::move(complaint));
    for (const auto& [name, value] : all) tags.push_back({std::string(label_prefix) + name, value});
    return tags;
}

} // namespace baton::orchestrator::runtime
