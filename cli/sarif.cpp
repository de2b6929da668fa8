// One run with one tool; each finding is a result with a place.
#include "cli/sarif.hpp"

#include <boost/json/array.hpp>

#include <string>

namespace baton::cli {

namespace json = boost::json;
namespace definition = orchestrator::definition;

namespace {

// A file name as a URI reference relative to where the program ran.
std::string uri_of(std::string_view file) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view plain = "-._~/";
    while (file.starts_with("./"))
        file.remove_prefix(2);
    std::string uri;
    for (const char c : file) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_letter || plain.find(c) != std::string_view::npos)
            uri += c;
        else
            uri.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
    return file.starts_with('/') ? "file://" + uri : uri;
}

json::object result_of(const definition::Diagnostic& one) {
    const bool is_error = one.severity == definition::Severity::error;
    const std::string text = one.hint.empty() ? one.message : one.message + "; " + one.hint;
    const json::object region{{"startLine", one.line},
                              {"startColumn", one.column},
                              {"endColumn", one.column + one.length}};
    const json::object place{{"artifactLocation", json::object{{"uri", uri_of(one.file)}}},
                             {"region", region}};
    return {{"ruleId", is_error ? "mistake" : "doubt"},
            {"level", is_error ? "error" : "warning"},
            {"message", json::object{{"text", text}}},
            {"locations", json::array{json::object{{"physicalLocation", place}}}}};
}

json::object rule(std::string_view id, std::string_view text) {
    return {{"id", id}, {"shortDescription", json::object{{"text", text}}}};
}

} // namespace

json::object as_sarif(const std::vector<definition::Diagnostic>& diagnostics,
                      std::string_view version) {
    json::array results;
    for (const auto& one : diagnostics)
        results.emplace_back(result_of(one));
    const json::object driver{
        {"name", "baton check"},
        {"version", version},
        {"rules",
         json::array{
             rule("mistake", "The workflow is refused."),
             rule("doubt", "The workflow is accepted, and probably does not do what was meant.")}}};
    return {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
            {"version", "2.1.0"},
            {"runs", json::array{json::object{{"tool", json::object{{"driver", driver}}},
                                              {"columnKind", "unicodeCodePoints"},
                                              {"results", std::move(results)}}}}};
}

} // namespace baton::cli
