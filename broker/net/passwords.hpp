// Password hashes in RabbitMQ's form: base64 of four bytes of salt and the digest of salt and
// password. Definitions exported by RabbitMQ keep their passwords.
#pragma once

#include <string>
#include <string_view>

namespace baton::broker::net {

inline constexpr std::string_view sha256_algorithm = "rabbit_password_hashing_sha256";
inline constexpr std::string_view sha512_algorithm = "rabbit_password_hashing_sha512";
// Only to let in users of old RabbitMQs; never made here.
inline constexpr std::string_view md5_algorithm = "rabbit_password_hashing_md5";

// Can password_matches() check hashes of this algorithm? The empty name means SHA-256.
bool is_known_algorithm(std::string_view name);

// With fresh salt from the operating system, by SHA-256.
std::string hash_password(std::string_view password);

// False also for hashes and algorithms that make no sense, and for empty hashes: a user without a
// hash has no password. Takes the same time for every wrong password.
bool password_matches(std::string_view password, std::string_view hash, std::string_view algorithm);

} // namespace baton::broker::net
