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

TEST(Access, TopicPermissionsMayNameTheUserAndTheVirtualHost) {
    Access access;
    User user;
    user.put.name = "b.b";
    user.topic_permissions = {
        {"/", "b.b", "amq.topic", R"(^{username}\..{2}$)", "^{vhost}{username}$"}};

    EXPECT_TRUE(access.check_pattern(user.topic_permissions[0].write));
    EXPECT_TRUE(access.may_use_key(&user, "/", Right::write, "amq.topic", "b.b.xy"));
    EXPECT_FALSE(access.may_use_key(&user, "/", Right::write, "amq.topic", "bob.xy"))
        << "a name is no pattern";
    EXPECT_FALSE(access.may_use_key(&user, "/", Right::write, "amq.topic", "{username}.xy"));
    EXPECT_TRUE(access.may_use_key(&user, "/", Right::read, "amq.topic", "/b.b"));
}

TEST(Access, KeepsItsMindWhenThereAreManyPatterns) {
    Access access;
    User user;
    for (int number = 0; number < 2000; ++number) {
        const std::string name = std::to_string(number);
        user.permissions["/"] = {"/", "bob", "^" + name + "$", "", ""};
        EXPECT_TRUE(access.may(&user, "/", Right::configure, name));
        EXPECT_FALSE(access.may(&user, "/", Right::configure, name + "x"));
    }
}

TEST(Access, RefusesPatternsThatAreNone) {
    const Access access;

    EXPECT_TRUE(access.check_pattern("^(a|b).*$"));
    EXPECT_FALSE(access.check_pattern("("));
}

} // namespace
} // namespace baton::broker::core
