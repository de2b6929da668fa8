// Tokens.
#include "orchestrator/messaging/task_token.hpp"

#include "orchestrator/core/fingerprint.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton::orchestrator::messaging {
namespace {

constexpr std::size_t mac_digits = 20; // 80 bits: a guess a second takes longer than the sun has
constexpr std::string_view undo_mark = ":undo";

// Takes the same time wherever the first difference is.
bool equal(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^
                                            static_cast<unsigned char>(b[i]));
    return difference == 0;
}

} // namespace

std::string mac_of(std::string_view text, std::string_view secret) {
    return core::to_hex(core::hmac_sha256(secret, text)).substr(0, mac_digits);
}

bool is_mac_of(std::string_view mac, std::string_view text, std::string_view secret) {
    return equal(mac_of(text, secret), mac);
}

std::string encode_token(const TaskToken& token, std::string_view secret) {
    std::string text = fmt::format("{}/{}{}#{}", token.run_id, token.ref.step,
                                   token.ref.undo ? undo_mark : "", token.ref.attempt);
    return fmt::format("{}.{}", text, mac_of(text, secret));
}

std::optional<TaskToken> decode_token(std::string_view text, std::string_view secret) {
    const auto dot = text.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const std::string_view signed_part = text.substr(0, dot);
    if (!equal(mac_of(signed_part, secret), text.substr(dot + 1))) return std::nullopt;

    const auto slash = signed_part.find('/');
    const auto hash = signed_part.rfind('#');
    if (slash == std::string_view::npos || hash == std::string_view::npos || hash < slash)
        return std::nullopt;
    TaskToken token;
    token.run_id = signed_part.substr(0, slash);
    std::string_view path = signed_part.substr(slash + 1, hash - slash - 1);
    if (path.ends_with(undo_mark)) {
        token.ref.undo = true;
        path.remove_suffix(undo_mark.size());
    }
    token.ref.step = path;
    const std::string_view number = signed_part.substr(hash + 1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), token.ref.attempt);
    if (error != std::errc{} || end != number.data() + number.size()) return std::nullopt;
    return token;
}

} // namespace baton::orchestrator::messaging
