#include "server/token_file.hpp"

#include "base/json_text.hpp"
#include "base/named_file.hpp"
#include "base/rfc3339.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <filesystem>
#include <optional>
#include <string_view>

namespace baton::server {

namespace json = boost::json;

namespace {

Failure damaged(const std::string& path, const std::string& what) {
    return {make_error_code(boost::system::errc::invalid_argument),
            path + ": " + what +
                "; it holds the tokens of programs: repair it, or move it away and make new ones"};
}

std::string token_text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

std::optional<web::StoredToken> token_in(const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr) return std::nullopt;
    web::StoredToken token;
    token.id = token_text_in(*object, "id");
    token.hash = token_text_in(*object, "hash");
    token.name = token_text_in(*object, "name");
    token.user = token_text_in(*object, "user");
    token.role = token_text_in(*object, "role");
    const auto created = from_rfc3339(token_text_in(*object, "created_at"));
    const auto expires = from_rfc3339(token_text_in(*object, "expires_at"));
    if (token.id.empty() || token.hash.empty() || !created || !expires) return std::nullopt;
    token.created_at = *created;
    token.expires_at = *expires;
    token.used_at = from_rfc3339(token_text_in(*object, "used_at"));
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
    if (const auto kept = replace_file(path, write_json(all) + "\n"); !kept)
        return Failure{kept.error().code,
                       "the token cannot be kept: " + path + ": " + kept.error().detail};
    return boost::system::in_place_value;
}

} // namespace baton::server
