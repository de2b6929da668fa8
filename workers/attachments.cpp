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

constexpr std::array<std::string_view, 5> names = {"name", "type", "content_base64", "content", "text"};

// Letters and a few signs on both sides of one slash; it becomes part of a header.
bool is_media_type(std::string_view text) {
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() && text.size() <= 127 &&
           std::count(text.begin(), text.end(), '/') == 1 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || std::string_view("/.+-_").find(static_cast<char>(c)) != std::string_view::npos;
           });
}

Attachment attachment_in(Parameters& inner) {
    Attachment one;
    one.name = inner.required_text("name");
    one.type = inner.text("type", inner.has("text") ? "text/plain" : "application/octet-stream");
    if (!is_media_type(one.type)) inner.complain("'type' must be as text/plain");
    const int given = static_cast<int>(inner.has("text")) + static_cast<int>(inner.has("content")) + static_cast<int>(inner.has("content_base64"));
    if (given != 1) {
        inner.complain("give one of 'content_base64' and 'text'");
        return one;
    }
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
        parameters.complain("'attachments' must be a list of tables with name, and content_base64 or text");
        return all;
    }
    std::size_t bytes = 0;
    for (const json::value& item : list->get_array()) {
        if (!item.is_object()) {
            parameters.complain("each of 'attachments' must be a table with name, and content_base64 or text");
            continue;
        }
        Parameters inner(item.get_object());
        inner.only(names);
        all.push_back(attachment_in(inner));
        if (inner.is_bad()) parameters.complain("attachments: " + inner.problem().detail);
        bytes += all.back().content.size();
    }
    if (bytes > attachments_bytes_max) parameters.complain("'attachments' are more than 7 MiB together");
    return all;
}

} // namespace baton::workers
