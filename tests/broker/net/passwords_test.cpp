#include "broker/net/passwords.hpp"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

using namespace broker::net;

TEST(Passwords, WhatWasHashedMatchesAndNothingElse) {
    const std::string hash = hash_password("correct horse");

    EXPECT_TRUE(password_matches("correct horse", hash, sha256_algorithm));
    EXPECT_FALSE(password_matches("correct horsf", hash, sha256_algorithm));
    EXPECT_FALSE(password_matches("", hash, sha256_algorithm));
    EXPECT_NE(hash_password("correct horse"), hash) << "the salt must differ";
}

// The example of RabbitMQ's documentation: salt 908DC60A, password test12.
TEST(Passwords, HashesOfRabbitmqKeepTheirPasswords) {
    EXPECT_TRUE(password_matches("test12", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
                                 sha256_algorithm));
}

TEST(Passwords, HashesThatMakeNoSenseMatchNothing) {
    for (const std::string hash : {"", "====", "kI3", "not base64 at all!!!", "AAAA"})
        EXPECT_FALSE(password_matches("", hash, sha256_algorithm)) << hash;
    EXPECT_FALSE(password_matches("x", hash_password("x"), "md5"));
}

} // namespace
} // namespace baton::test
