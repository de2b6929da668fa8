#include "broker/core/access.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

User bob() {
    User user;
    user.permissions["/"] = {"/", "bob", "^bob-", "amq\\.default", ""};
    user.topic_permissions.push_back({"/", "bob", "amq.topic", "^a\\.", ".*"});
    return user;
}

TEST(Access, MatchesPatternsAnywhereInTheName) {
    Access access;
    const User user = bob();

    EXPECT_TRUE(access.may(&user, "/", Right::configure, "bob-queue"));
    EXPECT_FALSE(access.may(&user, "/", Right::configure, "not-bob-queue"));
    EXPECT_TRUE(access.may(&user, "/", Right::write, "")) << "the default exchange has a name here";
    EXPECT_FALSE(access.may(&user, "/", Right::read, "anything"));
    EXPECT_FALSE(access.may(&user, "other", Right::configure, "bob-queue"));
    EXPECT_FALSE(access.may(nullptr, "/", Right::configure, "bob-queue"));
}

TEST(Access, TopicPermissionsLimitKeysOfTheirExchangeOnly) {
    Access access;
    const User user = bob();

    EXPECT_TRUE(access.may_use_key(&user, "/", Right::write, "amq.topic", "a.b"));
    EXPECT_FALSE(access.may_use_key(&user, "/", Right::write, "amq.topic", "b.a"));
    EXPECT_TRUE(access.may_use_key(&user, "/", Right::write, "other", "b.a"));
}

TEST(Access, RefusesPatternsThatAreNone) {
    const Access access;

    EXPECT_TRUE(access.check_pattern("^(a|b).*$"));
    EXPECT_FALSE(access.check_pattern("("));
}

} // namespace
} // namespace baton::broker::core
