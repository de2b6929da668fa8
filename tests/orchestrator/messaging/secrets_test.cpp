// Secrets on their way: filled in where the core says, by nothing else, and masked in what comes back.
#include "orchestrator/messaging/secrets.hpp"

#include <gtest/gtest.h>

#include <map>

namespace baton::orchestrator::messaging {
namespace {

SecretSource source(std::map<std::string, std::string> values) {
    return {[values](const std::string& name) {
                const auto found = values.find(name);
                return found == values.end() ? std::nullopt : std::optional(found->second);
            },
            [] { return std::vector<std::string>{"of-before"}; }};
}

core::TaskOrder order(const std::string& with, std::vector<std::string> pointers) {
    core::TaskOrder made;
    made.with = core::Document::parse(with).value();
    made.secrets = std::move(pointers);
    return made;
}

TEST(Secrets, AreFilledInWhereTheyBelongAndNowhereElse) {
    Secrets secrets(source({{"token", "s3cr3t"}, {"quote", "a\"b"}}));
    const auto filled = secrets.fill(order(R"({"auth":["Bearer ${secret.token}","${secret.token}${secret.quote}"],"user":"${secret.token}"})",
                                           {"/auth/0", "/auth/1"}));
    EXPECT_EQ(filled.missing, "");
    EXPECT_EQ(filled.with, R"({"auth":["Bearer s3cr3t","s3cr3ta\"b"],"user":"${secret.token}"})");
}

TEST(Secrets, OneThatIsNotThereIsNamed) {
    Secrets secrets(source({}));
    const auto filled = secrets.fill(order(R"({"auth":"${secret.token}"})", {"/auth"}));
    EXPECT_EQ(filled.missing, "token");
    EXPECT_EQ(filled.with, "");
    EXPECT_EQ(Secrets(SecretSource{}).fill(order(R"({"auth":"${secret.token}"})", {"/auth"})).missing, "token");
}

TEST(Secrets, ValuesThatWereGivenOutAreMaskedAlsoAsJsonHasThem) {
    Secrets secrets(source({{"token", "s3cr3t"}, {"quote", "a\"b\"c"}, {"short", "abc"}}));
    EXPECT_EQ(secrets.masked("s3cr3t of-before"), "s3cr3t ***");
    secrets.fill(order(R"({"a":"${secret.token}${secret.quote}${secret.short}"})", {"/a"}));
    EXPECT_EQ(secrets.masked("no s3cr3t, s3cr3t"), "no ***, ***");
    EXPECT_EQ(secrets.masked(R"({"error":"bad a\"b\"c"})"), R"({"error":"bad ***"})");
    EXPECT_EQ(secrets.masked("abc"), "abc"); // it would be found everywhere
}

TEST(Secrets, AValueThatMasksLikeItselfEnds) {
    Secrets secrets(source({{"stars", "****"}}));
    secrets.fill(order(R"({"a":"${secret.stars}"})", {"/a"}));
    EXPECT_EQ(secrets.masked("********"), "******");
}

} // namespace
} // namespace baton::orchestrator::messaging
