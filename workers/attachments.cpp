// See attachments.hpp.
#include "workers/attachments.hpp"

#include "base/base64.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace baton::workers {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 6> attachment_names = {"name", "type", "content_base64", "content", "text", "from"};
constexpr std::array<std::string_view, 2> source_names = {"target", "path"};

// Letters and a few signs on both sides of one slash; it becomes part of a header.
bool is_media_type(std::string_view text) {
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() && text.size() <= 127 &&
           std::count(text.begin(), text.end(), '/') == 1 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || std::string_view("/.+-_").find(static_cast<char>(c)) != std::string_view::npos;
           });
}

Attachment attachment_in(Parameters& inner, const json::object& with) {
    Attachment one;
    one.from = file_source_in(inner, with, "from");
    one.name = one.from ? inner.text("name", one.from->path.substr(one.from->path.rfind('/') + 1)) : inner.required_text("name");
    if (one.from && one.name.empty()) inner.complain("'name' is missing");
    one.type = inner.text("type", inner.has("text") ? "text/plain" : "application/octet-stream");
    if (!one.type.empty() && !is_media_type(one.type)) inner.complain("'type' must be as text/plain");
    const int given = static_cast<int>(inner.has("text")) + static_cast<int>(inner.has("content")) +
                      static_cast<int>(inner.has("content_base64")) + static_cast<int>(inner.has("from"));
    if (given != 1) {
        inner.complain("give one of 'content_base64', 'text' and 'from'");
        return one;
    }
    if (one.from) {
        if (!inner.has("type")) one.type.clear(); // its server knows
        return one;
    }
    if (inner.has("from")) return one;
    if (inner.has("text")) {
        one.content = inner.text("text");
        return one;
    }
    const char* coded = inner.has("content") ? "content" : "content_base64";
    auto content = from_base64(inner.text(coded));
    if (!content) inner.complain(fmt::format("'{}' is not base64", coded));
    else one.content = std::move(*content);
    return one;
}

} // namespace

std::vector<Attachment> attachments_in(Parameters& parameters, const json::object& with) {
    std::vector<Attachment> all;
    const json::value* list = with.if_contains("attachments");
    if (!list || list->is_null()) return all;
    if (!list->is_array()) {
        parameters.complain("'attachments' must be a list of tables with name, and content_base64, text or from");
        return all;
    }
    std::size_t bytes = 0;
    for (const json::value& item : list->get_array()) {
        if (!item.is_object()) {
            parameters.complain("each of 'attachments' must be a table with name, and content_base64, text or from");
            continue;
        }
        Parameters inner(item.get_object());
        inner.only(attachment_names);
        all.push_back(attachment_in(inner, item.get_object()));
        if (inner.is_bad()) parameters.complain("attachments: " + inner.problem().detail);
        bytes += all.back().content.size();
    }
    if (bytes > attachments_bytes_max) parameters.complain("'attachments' are more than 7 MiB together");
    return all;
}

std::optional<FileSource> file_source_in(Parameters& parameters, const json::object& with, std::string_view name) {
    const json::value* from = with.if_contains(name);
    if (!from || from->is_null()) return std::nullopt;
    if (!from->is_object()) {
        parameters.complain(fmt::format("'{}' must be a table of target and path", name));
        return std::nullopt;
    }
    Parameters inner(from->get_object());
    inner.only(source_names);
    FileSource source{inner.required_text("target"), inner.required_text("path")};
    if (inner.is_bad()) parameters.complain(fmt::format("{}: {}", name, inner.problem().detail));
    return source;
}

boost::system::result<FetchedFile, contract::Problem> fetch_file(const FileSource& source, const FetchFile& fetch, std::size_t bytes_max) {
    if (!fetch)
        return permanent("invalid_input", fmt::format("this worker knows no target '{}': no [[target]] is in the file of "
                                                      "BATON_WORKER_FILE", source.target));
    return fetch(source, bytes_max);
}

std::optional<contract::Problem> fetch_contents(std::vector<Attachment>& attachments, const FetchFile& fetch) {
    std::size_t bytes = 0;
    for (const Attachment& one : attachments) bytes += one.content.size();
    for (Attachment& one : attachments) {
        if (!one.from) continue;
        auto file = fetch_file(*one.from, fetch, files_bytes_max - bytes);
        if (!file) return file.error();
        bytes += file->content.size();
        one.content = std::move(file->content);
        // "text/csv; charset=utf-8" keeps what is needed for a header of ours.
        const std::string said = file->type.substr(0, file->type.find(';'));
        if (one.type.empty()) one.type = is_media_type(said) ? said : "application/octet-stream";
    }
    return std::nullopt;
}

} // namespace baton::workers
