// Large values leave the text of a row and come back byte for byte, within the limits of a read.
#include "db/blobs.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::db {
namespace {

using namespace orchestrator::runtime;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const auto always = [](const std::string&) { return true; };

std::string text_of(std::size_t bytes, char letter = 'x') {
    return "\"" + std::string(bytes - 2, letter) + "\"";
}

struct Shelf {
    BlobTexts texts;
    BlobReader reader() {
        return [this](const std::set<std::string>& hashes) -> Outcome<BlobTexts> {
            BlobTexts found;
            for (const std::string& hash : hashes)
                if (texts.contains(hash)) found[hash] = texts[hash];
            return found;
        };
    }
    std::string folded(const std::string& text, std::size_t depth = 0) {
        std::vector<Blob> blobs;
        std::string small = fold(text, depth, always, blobs);
        for (Blob& blob : blobs)
            texts[blob.sha256] = blob.text;
        return small;
    }
    std::string whole(const std::string& text) {
        StoredRun run;
        run.input = text;
        const auto well = unfold(run, reader());
        EXPECT_TRUE(well) << well.error().detail;
        return run.input;
    }
};

TEST(Blobs, TheInnermostLargeValueLeavesAndComesBack) {
    const std::string large = text_of(100'000);
    const std::string parts = "[" + text_of(40'000) + ", " + text_of(40'000, 'y') + "]";
    for (const std::string& text :
         {large, "{\"a\":1,\"b\":" + large + ",\"c\":\"}\"}",
          "{\"k\\\"\":{\"deep\":[" + large + "," + large + "]}}", "{\"list\":" + parts + "}",
          "[" + text_of(70'000) + "," + parts + "," + text_of(1'000) + "]",
          "{" + text_of(80'000) + ":1}", "{\"a\" : " + large + " }"}) {
        Shelf shelf;
        const std::string small = shelf.folded(text);
        EXPECT_TRUE(shelf.whole(small) == text) << small.substr(0, 200);
        EXPECT_EQ(unfolded_size(small), text.size());
        for (const auto& [hash, value] : shelf.texts)
            EXPECT_GT(value.size(), blob_bytes_min);
    }
    Shelf shelf;
    EXPECT_LT(shelf.folded("{\"data\":" + large + "}").size(), 100U);
    EXPECT_LT(shelf.folded("{\"with\":{\"other name\":" + large + "}}").size(), 120U);
    EXPECT_THAT(shelf.texts, SizeIs(1)) << "whatever it is wrapped in, it is one text";
    EXPECT_LT(shelf.folded("{\"list\":" + parts + "}").size(), 100U)
        << "a list of many is one, too";
}

TEST(Blobs, WhatIsSmallOrNotJsonOrNotDeepEnoughStays) {
    for (const std::string& text :
         {std::string("{\"a\":1}"), std::string(200'000, 'x'),
          "[" + std::string(200'000, ' ') + "}", "\"" + std::string(200'000, 'x'),
          std::string(200'000, '\x01')}) {
        Shelf shelf;
        EXPECT_TRUE(shelf.folded(text) == text) << text.substr(0, 20);
        EXPECT_THAT(shelf.texts, IsEmpty());
        EXPECT_TRUE(shelf.whole(text) == text) << text.substr(0, 20);
    }
    Shelf shelf;
    const std::string facts = "[{\"fact\":\"a\",\"output\":" + text_of(30'000) +
                              "},{\"fact\":\"b\",\"output\":" + text_of(50'000) + "}]";
    EXPECT_EQ(shelf.folded(facts, 2), facts) << "many facts are no large value";
}

TEST(Blobs, AReadWithLimitsCountsWhatStoodThere) {
    Shelf shelf;
    std::vector<StoredRun> runs(3);
    for (StoredRun& run : runs)
        run.input = shelf.folded("{\"data\":" + text_of(100'000) + "}");
    runs[0].state = shelf.folded(text_of(300'000));
    ASSERT_TRUE(unfold(runs, {200'000, 50'000}, shelf.reader()));
    EXPECT_EQ(runs[0].texts, StoredRun::Texts::too_large);
    EXPECT_EQ(runs[1].texts, StoredRun::Texts::here);
    EXPECT_GT(runs[1].input.size(), 100'000U);
    EXPECT_EQ(runs[2].texts, StoredRun::Texts::later);
    EXPECT_THAT(runs[2].input, IsEmpty());

    std::vector<HistoryRow> rows(3);
    rows[0].events = shelf.folded(text_of(300'000));
    rows[1].events = rows[2].events = shelf.folded(text_of(100'000));
    ASSERT_TRUE(unfold(rows, {200'000, 50'000}, shelf.reader()));
    ASSERT_THAT(rows, SizeIs(2));
    EXPECT_THAT(rows[0].events, IsEmpty());
    EXPECT_EQ(rows[1].events, text_of(100'000));
}

TEST(Blobs, ATextThatIsGoneIsSaid) {
    Shelf shelf;
    StoredRun run;
    run.input = shelf.folded(text_of(100'000));
    shelf.texts.clear();
    const auto read = unfold(run, shelf.reader());
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().detail, HasSubstr("is not in the table blob"));
}

TEST(Blobs, OfADocumentOnlyWhatTheHistoryHasLeaves) {
    RecentBlobs recent;
    Batch batch;
    RunChange& change = batch.runs.emplace_back();
    change.run_id = "a";
    change.events = "[{\"output\":" + text_of(100'000) + "}]";
    change.state =
        "{\"steps\":{\"x\":" + text_of(100'000) + ",\"y\":" + text_of(100'000, 'y') + "}}";
    auto folded = fold(batch, recent);
    ASSERT_TRUE(folded);
    EXPECT_THAT(folded->uses, SizeIs(1));
    EXPECT_LT(folded->batch.runs[0].events.size(), 200U);
    EXPECT_GT(folded->batch.runs[0].state.size(), 100'000U);
    EXPECT_LT(folded->batch.runs[0].state.size(), 101'000U);
    recent.add("a", folded->uses[0].blob.sha256);
    EXPECT_THAT(fold(batch, recent)->uses, IsEmpty()) << "it is there";
    batch.runs[0].run_id = "b";
    EXPECT_THAT(fold(batch, recent)->uses, SizeIs(1)) << "but not another run's use of it";
}

} // namespace
} // namespace baton::db
