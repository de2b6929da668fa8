// Reading and filling templates.
#include "workers/mail/templates.hpp"

#include "base/named_file.hpp"
#include "base/suggest.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <vector>

namespace baton::workers::mail {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Failure no_template(std::string detail) {
    return {make_error_code(boost::system::errc::no_such_file_or_directory), std::move(detail)};
}

std::string_view trimmed_line(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

std::string plain(const json::value& value) {
    return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

std::string escaped_html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += c;
        }
    }
    return out;
}

// Calls `field` for each {{field}} and `rest` for what stands between.
template <typename Rest, typename Field>
void take_apart(std::string_view pattern, Rest&& rest, Field&& field) {
    while (!pattern.empty()) {
        const std::size_t begin = pattern.find("{{");
        const std::size_t end = begin == std::string_view::npos ? begin : pattern.find("}}", begin);
        if (end == std::string_view::npos) break;
        rest(pattern.substr(0, begin));
        field(trimmed_line(pattern.substr(begin + 2, end - begin - 2)));
        pattern.remove_prefix(end + 2);
    }
    rest(pattern);
}

std::string fill(std::string_view pattern, const json::object& fields, bool is_html) {
    std::string out;
    take_apart(
        pattern, [&](std::string_view rest) { out += rest; },
        [&](std::string_view name) {
            const json::value* value = fields.if_contains(name);
            const std::string text = value ? plain(*value) : std::string{};
            out += is_html ? escaped_html(text) : text;
        });
    return out;
}

// The name becomes part of a path.
bool is_template_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_';
    });
}

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator file(folder, error), end; !error && file != end; file.increment(error))
        if (file->path().extension() == ".txt") names.push_back(file->path().stem());
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace

Template template_of(std::string_view text, std::string_view html) {
    Template made;
    if (text.starts_with("Subject: ")) {
        const std::size_t end = text.find('\n');
        made.subject = trimmed_line(text.substr(9, end == std::string_view::npos ? end : end - 9));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        while (text.starts_with('\n') || text.starts_with('\r')) text.remove_prefix(1);
    }
    made.text = text;
    made.html = html;
    return made;
}

std::set<std::string, std::less<>> Template::fields() const {
    std::set<std::string, std::less<>> names;
    for (const std::string* pattern : {&subject, &text, &html})
        take_apart(*pattern, [](std::string_view) {}, [&](std::string_view name) { names.emplace(name); });
    return names;
}

Template Template::filled(const json::object& fields) const {
    return {fill(subject, fields, false), fill(text, fields, false), fill(html, fields, true)};
}

Outcome<Template> read_template(const std::string& folder, const std::string& name) {
    if (!is_template_name(name)) return no_template("'template' may have letters, digits, - and _ only");
    if (folder.empty()) return no_template(fmt::format("there is no template '{}': BATON_MAIL_TEMPLATES names no folder", name));
    const auto text = read_named_file(fmt::format("{}/{}.txt", folder, name), settings_file_bytes_max);
    if (!text) {
        const std::vector<std::string> names = names_in(folder);
        const std::vector<std::string_view> views(names.begin(), names.end());
        const std::string hint = did_you_mean(name, views);
        return no_template(fmt::format("there is no template '{}' in {}: {}{}", name, folder, text.error().detail,
                                       hint.empty() ? fmt::format(" (known are {})", fmt::join(names, ", ")) : hint));
    }
    const auto html = read_named_file(fmt::format("{}/{}.html", folder, name), settings_file_bytes_max);
    return template_of(*text, html ? std::string_view(*html) : std::string_view{});
}

} // namespace baton::workers::mail
