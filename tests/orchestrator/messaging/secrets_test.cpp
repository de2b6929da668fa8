// Secrets on their way: filled in where the core says, by nothing else, and masked in what comes
// back.
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
    const auto filled = secrets.fill(order(
        R"({"auth":["Bearer ${secret.token}","${secret.token}${secret.quote}"],"user":"${secret.token}"})",
        {"/auth/0", "/auth/1"}));
    EXPECT_EQ(filled.missing, "");
    EXPECT_EQ(filled.with, R"({"auth":["Bearer s3cr3t","s3cr3ta\"b"],"user":"${secret.token}"})");
}

TEST(Secrets, OneThatIsNotThereIsNamed) {
    Secrets secrets(source({}));
    const auto filled = secrets.fill(order(R"({"auth":"${secret.token}"})", {"/auth"}));
    EXPECT_EQ(filled.missing, "token");
    EXPECT_EQ(filled.with, "");
    EXPECT_EQ(
        Secrets(SecretSource{}).fill(order(R"({"auth":"${secret.token}"})", {"/auth"})).missing,
        "token");
}

TEST(Secrets, ValuesThatWereGivenOutAreMaskedAlsoAsJsonHasThem) {
    Secrets secrets(source({{"token", "s3cr3t"}, {"quote", "a\"b\"c"}, {"short", "abc"}}));
    EXPECT_EQ(secrets.masked("s3cr3t of-before"), "s3cr3t ***");
    secrets.fill(order(R"({"a":"${secret.token}${secret.quote}${secret.short}"})", {"/a"}));
    EXPECT_EQ(secrets.masked("no s3cr3t, s3cr3t"), "no ***, ***");
    EXPECT_EQ(secrets.masked(R"({"error":"bad a\"b\"c"})"), R"({"error":"bad ***"})");
    EXPECT_EQ(secrets.masked("abc"), "abc"); // it would be found everywhere
}

TEST(Secrets, JsonStaysJsonAndNumbersStayNumbers) {
    Secrets secrets(source({{"pin", "1234"}, {"comma", "\":1,\""}}));
    secrets.fill(order(R"({"a":"${secret.pin}${secret.comma}"})", {"/a"}));
    EXPECT_EQ(secrets.masked(R"({"id":91234,"pin":1234,"text":"pin 1234"})"),
              R"({"id":91234,"pin":1234,"text":"pin ***"})");
    EXPECT_EQ(secrets.masked(R"({"id":91234})"), R"({"id":91234})");
    EXPECT_EQ(secrets.masked(R"({"a":1,"b":2})"), R"({"a":1,"b":2})");
    EXPECT_EQ(secrets.masked(R"({"of-before":{"1234":"x"}})"), R"({"***":{"***":"x"}})");
}

TEST(Secrets, AreFoundHoweverJsonEscapesThem) {
    Secrets secrets(source({{"umlaut", "geh\u00e4im"}, {"path", "abc/def"}}));
    secrets.fill(order(R"({"a":"${secret.umlaut}${secret.path}"})", {"/a"}));
    EXPECT_EQ(secrets.masked("{\"e\":\"no geh\\u00e4im, no abc\\/def, \\u006ff-before\"}"),
              R"({"e":"no ***, no ***, ***"})");
    const std::string untouched = "{\"e\": \"caf\\u00e9\"}"; // as the worker wrote it
    EXPECT_EQ(secrets.masked(untouched), untouched);
}

TEST(Secrets, TheLongerOfTwoIsReplacedFirst) {
    Secrets secrets(source({{"short", "hunter"}, {"long", "hunter2-and-more"}}));
    secrets.fill(order(R"({"a":"${secret.short}${secret.long}"})", {"/a"}));
    EXPECT_EQ(secrets.masked("hunter2-and-more, hunter"), "***, ***");
}

TEST(Secrets, LettersThatDiedAreMaskedToo) {
    Secrets secrets(source({}));
    const auto letter =
        core::Document::parse(R"({"body":{"a":"x of-before","n":[1,2.5]}})").value();
    EXPECT_EQ(secrets.masked(letter).text(), R"({"body":{"a":"x ***","n":[1,2.5]}})");
}

TEST(Secrets, AValueThatMasksLikeItselfEnds) {
    Secrets secrets(source({{"stars", "****"}}));
    secrets.fill(order(R"({"a":"${secret.stars}"})", {"/a"}));
    EXPECT_EQ(secrets.masked("********"), "******");
}

} // namespace
} // namespace baton::orchestrator::messaging
