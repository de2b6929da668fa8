#include "server/token_file.hpp"

#include "base/json_text.hpp"
#include "base/named_file.hpp"
#include "base/rfc3339.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unistd.h>

namespace baton::server {

namespace json = boost::json;

namespace {

Failure damaged(const std::string& path, const std::string& what) {
    return {make_error_code(boost::system::errc::invalid_argument),
            path + ": " + what +
                "; it holds the tokens of programs: repair it, or move it away and make new ones"};
}

std::string text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

std::optional<web::StoredToken> token_in(const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr) return std::nullopt;
    web::StoredToken token;
    token.id = text_in(*object, "id");
    token.hash = text_in(*object, "hash");
    token.name = text_in(*object, "name");
    token.user = text_in(*object, "user");
    token.role = text_in(*object, "role");
    const auto created = from_rfc3339(text_in(*object, "created_at"));
    const auto expires = from_rfc3339(text_in(*object, "expires_at"));
    if (token.id.empty() || token.hash.empty() || !created || !expires) return std::nullopt;
    token.created_at = *created;
    token.expires_at = *expires;
    token.used_at = from_rfc3339(text_in(*object, "used_at"));
    return token;
}

json::object json_of(const web::StoredToken& token) {
    json::object out{{"id", token.id},     {"hash", token.hash},
                     {"name", token.name}, {"user", token.user},
                     {"role", token.role}, {"created_at", to_rfc3339(token.created_at)}};
    out["expires_at"] = to_rfc3339(token.expires_at);
    if (token.used_at) out["used_at"] = to_rfc3339(*token.used_at);
    return out;
}

Failure no_write(const std::string& path) {
    const int why = errno;
    return {ErrorCode(why, boost::system::system_category()),
            "the token cannot be kept: " + path + ": " + std::strerror(why)};
}

// Written and synced, or an errno.
bool write_whole(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t done = ::write(descriptor, text.data(), text.size());
        if (done < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(done));
    }
    return ::fsync(descriptor) == 0;
}

} // namespace

Outcome<std::vector<web::StoredToken>> read_tokens(const std::string& path) {
    std::vector<web::StoredToken> tokens;
    std::error_code none;
    if (!std::filesystem::exists(path, none)) return tokens;
    const auto text = read_named_file(path);
    if (!text) return damaged(path, text.error().detail);
    const auto value = read_json(*text, json_of_our_own);
    if (!value || !value->is_array()) return damaged(path, "no list of tokens");
    for (const auto& one : value->get_array()) {
        auto token = token_in(one);
        if (!token) return damaged(path, "a token without id, hash or times");
        tokens.push_back(std::move(*token));
    }
    return tokens;
}

Outcome<void> write_tokens(const std::string& path, const std::vector<web::StoredToken>& tokens) {
    json::array all;
    for (const web::StoredToken& one : tokens)
        all.push_back(json_of(one));
    const std::string fresh = path + ".new";
    const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return no_write(fresh);
    const bool is_written = write_whole(descriptor, write_json(all) + "\n");
    if (!is_written) {
        const Failure failure = no_write(fresh);
        ::close(descriptor);
        return failure;
    }
    ::close(descriptor);
    if (std::rename(fresh.c_str(), path.c_str()) != 0) return no_write(path);
    return boost::system::in_place_value;
}

} // namespace baton::server
