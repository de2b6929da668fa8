// What an address may consist of, here: less than RFC 5322 allows, all of what people use.
#include "workers/mail/address.hpp"

#include "base/utf8.hpp"

#include <algorithm>
#include <cctype>

namespace baton::workers::mail {

namespace {

constexpr std::size_t address_bytes_max = 254;
constexpr std::size_t local_part_bytes_max = 64;

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

// "L, Ada" without its quotes and backslashes.
std::string unquoted(std::string_view text) {
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
    std::string out;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] == '\\' && i + 2 < text.size()) ++i;
        out += text[i];
    }
    return out;
}

} // namespace

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string_view local_part(std::string_view address) { return address.substr(0, address.find('@')); }

std::string_view domain_of(std::string_view address) {
    const std::size_t at = address.find('@');
    return at == std::string_view::npos ? std::string_view{} : address.substr(at + 1);
}

bool is_address(std::string_view text) {
    const std::string_view local = local_part(text);
    const std::string_view domain = domain_of(text);
    return !local.empty() && !domain.empty() && local.size() <= local_part_bytes_max &&
           text.size() <= address_bytes_max && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return c > 0x20 && c < 0x7F && std::string_view("<>(),;:\\\"[]").find(static_cast<char>(c)) == std::string_view::npos;
           }) &&
           domain.find('@') == std::string_view::npos;
}

std::optional<Person> person_in(std::string_view text) {
    text = trimmed(text);
    if (is_address(text)) return Person{{}, std::string(text)};
    const std::size_t open = text.rfind('<');
    if (open == std::string_view::npos || !text.ends_with('>')) return std::nullopt;
    const std::string_view address = trimmed(text.substr(open + 1, text.size() - open - 2));
    std::string name = unquoted(trimmed(text.substr(0, open)));
    const bool is_name = is_utf8(name) && name.size() <= 200 && std::none_of(name.begin(), name.end(), [](unsigned char c) {
        return c < 0x20 || c == 0x7F || c == '<' || c == '>';
    });
    if (!is_address(address) || !is_name) return std::nullopt;
    return Person{std::move(name), std::string(address)};
}

bool is_fit_for_mailbox(std::string_view address) {
    const std::string_view local = local_part(address);
    const std::string_view domain = domain_of(address);
    const auto is_of = [](std::string_view text, std::string_view signs) {
        return std::all_of(text.begin(), text.end(), [signs](unsigned char c) {
            return std::isalnum(c) != 0 || signs.find(static_cast<char>(c)) != std::string_view::npos;
        });
    };
    return is_address(address) && is_of(local, "._-+'=&") && is_of(domain, ".-") && !local.starts_with('.') &&
           !local.starts_with('-') && !local.ends_with('.') && local.find("..") == std::string_view::npos &&
           !domain.starts_with('.') && !domain.starts_with('-') && domain.find("..") == std::string_view::npos;
}

} // namespace baton::workers::mail
