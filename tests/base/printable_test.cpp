// What a worker or a client says cannot begin a line, move the cursor or turn the text.
#include "base/printable.hpp"

#include <gtest/gtest.h>

namespace baton {

TEST(Printable, LeavesWhatPeopleWrite) {
    for (const char* text : {"", "a b", "Grüße, 世界 🙂", "=\"\\"}) {
        EXPECT_EQ(printable(text), text);
        EXPECT_TRUE(is_printable(text)) << text;
    }
}

TEST(Printable, EscapesWhatMovesATerminalOrForgesALine) {
    EXPECT_EQ(printable("a\n2026 error forged"), "a\\n2026 error forged");
    EXPECT_EQ(printable("\x1b[2J\x1b]0;x\x07\r\t\x7f"), "\\x1b[2J\\x1b]0;x\\x07\\x0d\\t\\x7f");
    EXPECT_EQ(printable("\xC2\x9B" "2J"), "\\x9b2J");
    EXPECT_EQ(printable("a\xE2\x80\xAE" "b\xE2\x81\xA6\xE2\x80\xA8"), "a\\u202eb\\u2066\\u2028");
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
    EXPECT_EQ(printable("a\x9B" "b\xFF\xE2\x80"), "a\\x9bb\\xff\\xe2\\x80");
    EXPECT_EQ(printable("\xC1\x9B\xE0\x80\x9B"), "\\xc1\\x9b\\xe0\\x80\\x9b");
    EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");
}

TEST(Printable, JsonStaysJson) {
    EXPECT_EQ(printable_json("{\n  \"Gr\xC3\xBC\xC3\x9F" "e\": \"\\u001b\"\n}"), "{\n  \"Gr\xC3\xBC\xC3\x9F" "e\": \"\\u001b\"\n}");
    EXPECT_EQ(printable_json("\"\x7f\xC2\x9B\xE2\x80\xAE\xFF\""), "\"\\u007f\\u009b\\u202e\\ufffd\"");
}

TEST(Printable, KeepsLineEndsOfReportsOnly) {
    EXPECT_EQ(printable("one\n\x1btwo\r\n", LineEnds::kept), "one\n\\x1btwo\\x0d\n");
}

} // namespace baton
