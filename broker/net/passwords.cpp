#include "broker/net/passwords.hpp"

#include "base/bytes.hpp"
#include "base/random.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <vector>

namespace baton::broker::net {
namespace {

constexpr std::size_t salt_size = 4;

std::string salted_digest(const EVP_MD* kind, std::string_view salt, std::string_view password) {
    std::string input(salt);
    input += password;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(input.data(), input.size(), digest.data(), &size, kind, nullptr) != 1) return {};
    OPENSSL_cleanse(input.data(), input.size());
    return std::string(salt) + std::string(reinterpret_cast<const char*>(digest.data()), size);
}

std::string to_base64(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

// Empty for what is not base64.
std::string from_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0 || text.size() > 1024) return {};
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    if (size < 0) return {};
    // The decoder counts padding as zeros.
    std::size_t padding = 0;
    while (padding < 2 && text[text.size() - 1 - padding] == '=')
        ++padding;
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

} // namespace

std::string hash_password(std::string_view password) {
    const std::uint64_t entropy = entropy_seed();
    std::array<char, salt_size> salt{};
    std::memcpy(salt.data(), &entropy, salt.size());
    return to_base64(salted_digest(EVP_sha256(), {salt.data(), salt.size()}, password));
}

bool password_matches(std::string_view password, std::string_view hash,
                      std::string_view algorithm) {
    const EVP_MD* kind = algorithm.empty() || algorithm == sha256_algorithm ? EVP_sha256()
                         : algorithm == sha512_algorithm                    ? EVP_sha512()
                                                                            : nullptr;
    const std::string expected = from_base64(hash);
    if (kind == nullptr || expected.size() <= salt_size) return false;
    const std::string actual =
        salted_digest(kind, std::string_view(expected).substr(0, salt_size), password);
    return actual.size() == expected.size() &&
           CRYPTO_memcmp(actual.data(), expected.data(), actual.size()) == 0;
}

} // namespace baton::broker::net
