// For SHA256_Init and its like, see digest() below.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "broker/net/passwords.hpp"

#include "base/base64.hpp"
#include "base/random.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <cstring>
#include <vector>

namespace baton::broker::net {
namespace {

constexpr std::size_t salt_size = 4;

// Null for a name nobody knows.
const EVP_MD* digest_of(std::string_view algorithm) {
    if (algorithm.empty() || algorithm == sha256_algorithm) return EVP_sha256();
    if (algorithm == sha512_algorithm) return EVP_sha512();
    return algorithm == md5_algorithm ? EVP_md5() : nullptr;
}

// Empty when OpenSSL cannot. The first digest by EVP makes OpenSSL load all it has, 1.5 MiB of an
// idle server; the algorithm that everybody uses is there without it.
std::string digest(const EVP_MD* kind, std::string_view input) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (kind == EVP_sha256()) {
        SHA256_CTX state;
        SHA256_Init(&state);
        SHA256_Update(&state, input.data(), input.size());
        SHA256_Final(digest.data(), &state);
        OPENSSL_cleanse(&state, sizeof state);
        size = SHA256_DIGEST_LENGTH;
    } else if (EVP_Digest(input.data(), input.size(), digest.data(), &size, kind, nullptr) != 1) {
        return {};
    }
    return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string salted_digest(const EVP_MD* kind, std::string_view salt, std::string_view password) {
    std::string input(salt);
    input += password;
    const std::string digested = digest(kind, input);
    OPENSSL_cleanse(input.data(), input.size());
    return digested.empty() ? digested : std::string(salt) + digested;
}

} // namespace

std::string hash_password(std::string_view password) {
    const std::uint64_t entropy = entropy_seed();
    std::array<char, salt_size> salt{};
    std::memcpy(salt.data(), &entropy, salt.size());
    return base64_of(salted_digest(EVP_sha256(), {salt.data(), salt.size()}, password));
}

bool is_known_algorithm(std::string_view name) {
    return digest_of(name) != nullptr;
}

bool password_matches(std::string_view password, std::string_view hash,
                      std::string_view algorithm) {
    const EVP_MD* kind = digest_of(algorithm);
    const std::string expected = from_base64(hash).value_or("");
    if (kind == nullptr || expected.size() <= salt_size) return false;
    const std::string actual =
        salted_digest(kind, std::string_view(expected).substr(0, salt_size), password);
    return actual.size() == expected.size() &&
           CRYPTO_memcmp(actual.data(), expected.data(), actual.size()) == 0;
}

} // namespace baton::broker::net
