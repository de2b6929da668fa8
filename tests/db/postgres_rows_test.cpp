// Array literals and texts on their way to PostgreSQL; no server needed.
#include "db/hex.hpp"
#include "db/postgres_commit.hpp"
#include "db/postgres_rows.hpp"

#include <gtest/gtest.h>

namespace baton::db {

TEST(ArrayText, WritesWhatPostgresReads) {
    ArrayText array;
    EXPECT_EQ(array.text(), "{}");

    array.add(std::uint64_t{18});
    array.add(-1);
    array.add(std::nullopt);
    array.add("NULL");
    array.add(R"(a "b" \c, {d})");
    array.add(std::optional<std::string>());
    array.add(std::string_view());

    EXPECT_EQ(array.text(), R"({18,-1,NULL,"NULL","a \"b\" \\c, {d}",NULL,""})");
}

TEST(CleanText, KeepsEveryCharacterOfUnicode) {
    for (const std::string text :
         {"plain", "\u00ff \u0800 \ud7ff \ue000 \uffff", "\U00010000 \U0010ffff"})
        EXPECT_EQ(clean_text(text), text);
}

TEST(CleanText, ReplacesWhatCannotBeStored) {
    EXPECT_EQ(clean_text(std::string("a\0b", 3)), "a\uFFFDb");
    EXPECT_EQ(clean_text("\xFFz"), "\uFFFDz");
    EXPECT_EQ(clean_text("\xC0\x80"), "\uFFFD\uFFFD") << "a zero byte in disguise";
    EXPECT_EQ(clean_text("\xE2\x82"), "\uFFFD\uFFFD") << "cut off";
    EXPECT_EQ(clean_text("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
    EXPECT_EQ(clean_text("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD") << "beyond Unicode";
}

TEST(TimestampText, StaysWithinWhatPeopleCanRead) {
    EXPECT_EQ(timestamp_text(time_from_micros(1)), "1970-01-01T00:00:00.000001Z");
    EXPECT_EQ(timestamp_text(Time::min()), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(timestamp_text(Time::max()), "9999-12-31T23:59:59.000000Z");
}

TEST(Hex, ComesBack) {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte)
        bytes += static_cast<char>(byte);

    EXPECT_EQ(to_hex("\x01\xFE"), "01fe");
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
}

TEST(CommitParameters, DeadLettersAreSentOnlyWhenThereAreSome) {
    runtime::Batch batch;
    batch.fences = {{1, 2, 3, 4}};
    batch.runs.resize(2);
    batch.runs[0].run_id = "a";
    batch.runs[1].run_id = "b";

    const auto lean = commit_parameters(batch, {false, true});
    EXPECT_FALSE(lean.with_dead_letters);
    ASSERT_EQ(lean.values.size(), 30U);
    EXPECT_EQ(lean.values[2], "{3}");
    EXPECT_EQ(lean.values[4], R"({"a"})");

    batch.dropped_dead_letters = {9};
    const auto full = commit_parameters(batch, {false, false});
    EXPECT_TRUE(full.with_dead_letters);
    EXPECT_EQ(full.values.size(), 58U);
    EXPECT_EQ(full.values[4], R"({"a","b"})");
}

} // namespace baton::db
