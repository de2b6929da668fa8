// Tells the forms of a database URL apart and keeps passwords out of sight.
#include "db/database_url.hpp"

#include "orchestrator/runtime/run_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace baton::db {
namespace {

using orchestrator::runtime::StoreErrc;

constexpr std::string_view what_to_write =
    "use postgresql://user:password@host:5432/database, or sqlite:/path/to/baton.db";

bool has_scheme(std::string_view text, std::string_view scheme) {
    return text.starts_with(scheme);
}

// The part before "://" or ":", if it looks like a scheme at all: a letter, then letters and
// digits.
std::string_view scheme_of(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) return {};
    const std::string_view scheme = text.substr(0, colon);
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto fits = [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    };
    if (!is_letter(scheme.front()) || !std::ranges::all_of(scheme, fits)) return {};
    return scheme;
}

struct PostgresParts {
    std::string_view before;   // "postgresql://user"
    std::string_view password; // as written, escaped; empty if there is none
    std::string_view after;    // "@host:5432/db?..." or, without user, everything after "://"
};

PostgresParts split(std::string_view url) {
    const std::size_t start = url.find("://") + 3;
    const std::size_t end = std::min(url.find_first_of("/?#", start), url.size());
    const std::size_t at = url.substr(0, end).rfind('@');
    if (at == std::string_view::npos || at < start)
        return {url.substr(0, start), {}, url.substr(start)};
    const std::size_t colon = url.find(':', start);
    if (colon == std::string_view::npos || colon > at)
        return {url.substr(0, at), {}, url.substr(at)};
    return {url.substr(0, colon), url.substr(colon + 1, at - colon - 1), url.substr(at)};
}

// Where the value of ?password=… lies in `text`.
std::pair<std::size_t, std::size_t> password_setting(std::string_view text) {
    for (const std::string_view start :
         {"?password=", "&password=", "?sslpassword=", "&sslpassword="}) {
        const std::size_t found = text.find(start);
        if (found == std::string_view::npos) continue;
        const std::size_t begin = found + start.size();
        return {begin, std::min(text.find('&', begin), text.size())};
    }
    return {0, 0};
}

std::string unescape(std::string_view text) {
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    std::string plain;
    for (std::size_t index = 0; index < text.size(); ++index) {
        const bool escaped = text[index] == '%' && index + 2 < text.size() &&
                             digit(text[index + 1]) >= 0 && digit(text[index + 2]) >= 0;
        if (!escaped) {
            plain += text[index];
            continue;
        }
        plain += static_cast<char>(digit(text[index + 1]) * 16 + digit(text[index + 2]));
        index += 2;
    }
    return plain;
}

void replace_all(std::string& text, std::string_view what) {
    if (what.empty()) return;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 3))
        text.replace(at, what.size(), "***");
}

Failure wrong(std::string sentence) {
    return {StoreErrc::refused, std::move(sentence)};
}

Outcome<DatabaseUrl> postgres_url(std::string_view text) {
    // libpq ends the user and password at the first @, / or ?, and would print what it takes for
    // the host: a part of the password, if that holds such a character unescaped.
    const std::size_t start = text.find("://") + 3;
    const std::size_t query = std::min(text.find('?', start), text.size());
    const std::size_t path = std::min(text.find('/', start), query);
    const auto count = std::ranges::count(text.substr(start, query - start), '@');
    const auto in_front = std::ranges::count(text.substr(start, path - start), '@');
    if (count > 1 || count != in_front)
        return wrong("the user or password in the database URL contains a character that must be "
                     "escaped: write %40 for @, %2F for /, %3F for ?, %23 for #, %25 for %");
    if (text.size() == start)
        return wrong(fmt::format("the database URL names no server; {}", what_to_write));
    // libpq knows both words; one is enough for the rest of the house.
    constexpr std::string_view short_scheme = "postgres://";
    std::string location(text);
    if (has_scheme(text, short_scheme))
        location = "postgresql://" + std::string(text.substr(short_scheme.size()));
    return DatabaseUrl{DatabaseUrl::Kind::postgres, std::move(location)};
}

Outcome<DatabaseUrl> sqlite_file(std::string_view path) {
    if (path.starts_with("///"))
        path.remove_prefix(2);
    else if (path.starts_with("//"))
        return wrong(fmt::format("\"sqlite:{}\" looks like a host name; write sqlite:///absolute/"
                                 "path.db or sqlite:relative/path.db",
                                 path));
    if (path.empty())
        return wrong("the database URL names no file; write sqlite:/path/to/baton.db");
    if (path == ":memory:" || path.starts_with("file:"))
        return wrong("runs must survive a restart: give a file, as in sqlite:/path/to/baton.db");
    if (path.find('\0') != std::string_view::npos)
        return wrong("the path of the database contains a zero byte");
    return DatabaseUrl{DatabaseUrl::Kind::sqlite, std::string(path)};
}

} // namespace

Outcome<DatabaseUrl> parse_database_url(std::string_view text) {
    if (text.empty()) return wrong(fmt::format("the database URL is empty; {}", what_to_write));
    if (has_scheme(text, "postgresql://") || has_scheme(text, "postgres://"))
        return postgres_url(text);
    if (has_scheme(text, "sqlite:")) return sqlite_file(text.substr(7));
    const std::string_view scheme = scheme_of(text);
    if (scheme.empty()) return sqlite_file(text);
    if (scheme == "postgresql" || scheme == "postgres")
        return wrong(
            fmt::format("after \"{}:\" there must be two slashes; {}", scheme, what_to_write));
    const bool has_slashes = text.substr(scheme.size()).starts_with("://");
    return wrong(
        fmt::format("{}{} is not supported; {}", scheme, has_slashes ? "://" : ":", what_to_write));
}

std::string without_password(std::string_view url) {
    const PostgresParts parts = split(url);
    std::string shown(parts.before);
    if (!parts.password.empty()) shown += ":***";
    shown += parts.after;
    const auto [begin, end] = password_setting(shown);
    if (end > begin) shown.replace(begin, end - begin, "***");
    return shown;
}

std::string hide_passwords(std::string text, std::string_view url) {
    std::vector<std::string_view> secrets{split(url).password};
    const auto [begin, end] = password_setting(url);
    if (end > begin) secrets.push_back(url.substr(begin, end - begin));
    for (const std::string_view secret : secrets) {
        replace_all(text, secret);
        const std::string plain = unescape(secret);
        if (plain != secret) replace_all(text, plain);
    }
    return text;
}

std::string with_connection_limits(std::string_view url) {
    // Without these a dead network is noticed after two hours at most.
    constexpr std::string_view limits =
        "connect_timeout=5&keepalives_idle=10&keepalives_interval=5&keepalives_count=3"
        "&tcp_user_timeout=20000&application_name=baton";
    // The last of two settings wins, so ours come first.
    const std::size_t query = url.find('?');
    if (query == std::string_view::npos) return fmt::format("{}?{}", url, limits);
    return fmt::format("{}?{}&{}", url.substr(0, query), limits, url.substr(query + 1));
}

} // namespace baton::db
