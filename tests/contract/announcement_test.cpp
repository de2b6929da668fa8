// What workers say about themselves, and what others say in their place.
#include "contract/announcement.hpp"

#include "contract/topology.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::contract::test {
namespace {

TEST(Announcement, ATaskIsCalledSoThatEveryNameMadeOfItFits) {
    EXPECT_TRUE(is_task_name("mail.create"));
    EXPECT_TRUE(is_task_name("A-1_b"));
    const std::string longest(240, 'x');
    EXPECT_TRUE(is_task_name(longest));
    EXPECT_EQ(watch_exchange(partitions - 1, longest).size(), 255U);
    for (const std::string& no : {std::string{}, longest + "x", std::string("a b"), std::string("a/b"), std::string("a\0b", 3),
                                  std::string("\xed\xa0\x80"), std::string("\xff"), std::string("caf\xc3\xa9")})
        EXPECT_FALSE(is_task_name(no)) << no;
}

TEST(Announcement, IsReadAsItWasWritten) {
    Announcement about;
    about.task = "mail.create";
    about.worker = "mail@host:7";
    about.version = "1.2";
    about.host = "host";
    about.queue = "baton.task.mail.create.eu";
    about.concurrency = 4;
    about.every = std::chrono::seconds(30);
    about.parameters = R"({"type":"object"})";

    const auto read = decode_announcement("mail.create", to_json(about));

    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(to_json(*read), to_json(about));
    EXPECT_EQ(read->every, about.every);
    EXPECT_EQ(properties_of(about).expiration, "90000");
    EXPECT_EQ(*decode_farewell(farewell("mail@host:7")), "mail@host:7");
}

TEST(Announcement, OfAPlainWorkerNeedsTwoMembers) {
    const auto read = decode_announcement("a.b", R"({"task":"a.b","worker":"w","version":3,"concurrency":"many","parameters":[],"more":1})");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->queue, "baton.task.a.b");
    EXPECT_EQ(read->concurrency, 0U);
    EXPECT_EQ(read->version, "");
    EXPECT_EQ(read->parameters, "");
    EXPECT_EQ(believed_for(read->every), std::chrono::minutes(5));
}

TEST(Announcement, ThatMakesNoSenseIsRefused) {
    const auto refused = [](std::string_view key, const std::string& body) { return !decode_announcement(key, body); };

    EXPECT_TRUE(refused("a", ""));
    EXPECT_TRUE(refused("a", "[]"));
    EXPECT_TRUE(refused("a", R"({"task":"a"})")) << "nobody says it";
    EXPECT_TRUE(refused("a", R"({"task":"b","worker":"w"})")) << "under another's key";
    EXPECT_TRUE(refused("a b", R"({"task":"a b","worker":"w"})"));
    EXPECT_TRUE(refused("a", R"({"task":"a","worker":")" + std::string(300, 'w') + R"("})"));
    EXPECT_TRUE(refused("a", R"({"task":"a","worker":"w","version":")" + std::string(announcement_bytes_max, 'v') + R"("})"));
    EXPECT_TRUE(refused("a", R"({"task":"a","worker":"w","parameters":)" + std::string(60, '[') + std::string(60, ']') + "}"));
    EXPECT_FALSE(decode_farewell(R"({"worker":7})"));
}

TEST(Announcement, TextsAreHarmlessForATerminal) {
    const auto read = decode_announcement("a", R"({"task":"a","worker":"w\u001b[2J","host":"h\nh","every":99999999,"concurrency":-1})");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->worker, "w\\x1b[2J");
    EXPECT_EQ(read->host, "h\\nh");
    EXPECT_EQ(read->every, std::chrono::hours(1)) << "nobody is believed for ever";
    EXPECT_EQ(read->concurrency, 0U);
}

} // namespace
} // namespace baton::contract::test
