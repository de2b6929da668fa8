#include "base/base64.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/crc32c.hpp"
#include "base/deadlines.hpp"
#include "base/mailbox.hpp"
#include "base/random.hpp"
#include "base/suggest.hpp"
#include "base/thread.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace baton {

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
    EXPECT_EQ(crc32c(as_bytes(std::string(32, '\0'))), 0x8A9136AAU);
    EXPECT_EQ(crc32c(as_bytes(std::string(32, '\xFF'))), 0x62A8AB43U);
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283U);
}

TEST(Crc32c, ContinuesOverPieces) {
    EXPECT_EQ(crc32c(as_bytes("56789"), crc32c(as_bytes("1234"))), crc32c(as_bytes("123456789")));
}

TEST(Base64, MatchesTheVectorsOfRfc4648) {
    EXPECT_EQ(base64_of(""), "");
    EXPECT_EQ(base64_of("f"), "Zg==");
    EXPECT_EQ(base64_of("foobar"), "Zm9vYmFy");
    EXPECT_EQ(from_base64("Zm9vYg=="), "foob");
    EXPECT_EQ(from_base64("Zm9vYg"), "foob");
    EXPECT_EQ(from_base64("Zm9vY"), std::nullopt);
    EXPECT_EQ(from_base64("Zm9v!"), std::nullopt);
}

TEST(Clock, WritesRfc3339) {
    EXPECT_EQ(to_rfc3339(time_from_micros(0)), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(to_rfc3339(time_from_micros(1'767'225'599'000'042)), "2025-12-31T23:59:59.000042Z");
}

TEST(Deadlines, GiveKeysInOrderOfTime) {
    Deadlines<std::string> deadlines;
    deadlines.set("late", time_from_micros(30));
    deadlines.set("early", time_from_micros(10));
    deadlines.set("moved", time_from_micros(5));
    deadlines.set("moved", time_from_micros(20));
    deadlines.set("gone", time_from_micros(1));
    deadlines.cancel("gone");

    EXPECT_EQ(deadlines.next(), time_from_micros(10));
    EXPECT_EQ(deadlines.take_due(time_from_micros(20)),
              (std::vector<std::string>{"early", "moved"}));
    EXPECT_EQ(deadlines.next(), time_from_micros(30));
}

TEST(Mailbox, GivesEverythingThatGatheredInOrder) {
    Mailbox<int> mailbox;
    Thread putter("putter", [&] {
        for (int i = 0; i < 1000; ++i) mailbox.put(i);
        mailbox.close();
    });

    std::vector<int> all;
    for (;;) {
        auto batch = mailbox.take();
        if (batch.empty()) break;
        all.insert(all.end(), batch.begin(), batch.end());
    }

    ASSERT_EQ(all.size(), 1000U);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
}

TEST(Mailbox, CallsTheWakeUpOncePerFirstItem) {
    int wakes = 0;
    Mailbox<int> mailbox([&] { ++wakes; });
    mailbox.put(1);
    mailbox.put(2);
    EXPECT_EQ(wakes, 1);
    EXPECT_EQ(mailbox.take_now().size(), 2U);
    mailbox.put(3);
    EXPECT_EQ(wakes, 2);
}

TEST(SharedBytes, KeepsItsMemoryWhenTheSourceIsGone) {
    SharedBytes kept;
    {
        const std::string source = "hello";
        kept = SharedBytes::copy_of(source);
    }
    EXPECT_EQ(kept.text(), "hello");
}

TEST(Random, IsRepeatableFromItsSeedAndStaysBelowTheBound) {
    Random a(7);
    Random b(7);
    for (int i = 0; i < 100; ++i) {
        const auto drawn = a.below(10);
        EXPECT_EQ(drawn, b.below(10));
        EXPECT_LT(drawn, 10U);
    }
}

TEST(Random, MakesVersionSevenIdsThatSortByTime) {
    Random random(1);
    const auto first = uuid_v7(1'700'000'000'000, random);
    const auto second = uuid_v7(1'700'000'000'001, random);
    EXPECT_EQ(first.size(), 36U);
    EXPECT_EQ(first[14], '7');
    EXPECT_LT(first, second);
}

TEST(Suggest, FindsTheNearestName) {
    constexpr std::array<std::string_view, 6> names{"account", "mailbox", "invite",
                                                    "split",   "timeout", "id"};

    EXPECT_EQ(suggest("acount", names), "account");
    EXPECT_EQ(suggest("spilt", names), "split");
    EXPECT_EQ(suggest("mailBox", names), "mailbox");
    EXPECT_EQ(suggest("TIMEOUT", names), "timeout");
    EXPECT_EQ(suggest("time_out", names), "timeout");
    EXPECT_EQ(suggest("ID", names), "id");
    EXPECT_EQ(suggest("xy", names), std::nullopt);
    EXPECT_EQ(suggest("", names), std::nullopt);
    EXPECT_EQ(suggest("completely different", names), std::nullopt);
    EXPECT_EQ(did_you_mean("acount", names), "; did you mean 'account'?");
    EXPECT_EQ(did_you_mean("zzz", names), "");
}

} // namespace baton
