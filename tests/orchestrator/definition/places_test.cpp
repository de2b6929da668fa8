// Places in texts: bytes, code points, lines, and the insides of TOML strings.
#include "orchestrator/definition/source_text.hpp"
#include "base/utf8.hpp"
#include "orchestrator/definition/toml_document.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::definition {
namespace {

TEST(SourceText, FindsLinesWhateverEndsThem) {
    const SourceText text("one\r\ntwo\n\nfour");

    EXPECT_EQ(text.line(1), "one");
    EXPECT_EQ(text.line(2), "two");
    EXPECT_EQ(text.line(3), "");
    EXPECT_EQ(text.line(4), "four");
    EXPECT_EQ(text.line(5), "");
    EXPECT_EQ(text.line(0), "");
}

TEST(SourceText, CountsCodePoints) {
    const SourceText text("a = \"Größe\"\nb");

    EXPECT_EQ(text.position_of(9), (Position{1, 9})); // behind ö, which has two bytes
    EXPECT_EQ(text.offset_of({1, 9}), 9);
    EXPECT_EQ(text.position_of(1000), (Position{2, 2}));
    EXPECT_EQ(text.offset_of({1, 1000}), text.offset_of({2, 1}) - 1);
}

TEST(SourceText, KnowsWhatIsNoUtf8) {
    EXPECT_EQ(first_invalid_utf8("größer → 日本 😀"), std::nullopt);
    EXPECT_EQ(first_invalid_utf8("a\xff"), 1);
    EXPECT_EQ(first_invalid_utf8("\xc0\x80"), 0);         // overlong
    EXPECT_EQ(first_invalid_utf8("\xed\xa0\x80"), 0);     // surrogate
    EXPECT_EQ(first_invalid_utf8("\xf4\x90\x80\x80"), 0); // above U+10FFFF
    EXPECT_EQ(first_invalid_utf8("ab\xe2\x82"), 2);       // cut off
}

// The place of the first '#' in the value of `x`, the only key of `source`.
Position place_of_hash(const std::string& source) {
    const TomlDocument document = parse_toml(source, "x.toml");
    EXPECT_TRUE(document.diagnostics.empty()) << source;
    const TomlNode* node = document.root.find("x");
    return SourceText(source).inside_string(node->at, node->text.find('#'));
}

// The value of a string and the place of every byte of it come from two scanners; they must agree.
TEST(SourceText, FindsPlacesInsideStringsWhateverStandsBefore) {
    for (const std::string& before : {R"()", R"(abc)", R"(\")", R"(\\)", R"(\t\n)", R"(\u00e4)",
                                      R"(\U0001F600)", R"(ä→😀)", R"('")", R"(\\\" \u0041)"}) {
        if (before == R"('")") continue;
        const std::string source = "x = \"" + before + "#\"\n";
        const SourceText text(source);
        EXPECT_EQ(place_of_hash(source), text.position_of(source.find('#'))) << source;
    }
    for (const std::string& before : {"", "\n", "\nab\n  cd", "\n\"\"x", "a\\\n   \n  ",
                                      "\\\r\n  b", "\r\nx\r\n", "\\  \n\t"}) {
        const std::string source = "x = \"\"\"" + std::string(before) + "#\"\"\"\n";
        const SourceText text(source);
        EXPECT_EQ(place_of_hash(source), text.position_of(source.find('#'))) << source;
    }
    for (const std::string& before : {"", "\\", "\\n", "\"", "ä"}) {
        const std::string source = "x = '" + std::string(before) + "#'\n";
        const SourceText text(source);
        EXPECT_EQ(place_of_hash(source), text.position_of(source.find('#'))) << source;
    }
    for (const std::string& before : {"", "\n", "\n''x", "\\\n", "\r\n\r\n"}) {
        const std::string source = "x = '''" + std::string(before) + "#'''\n";
        const SourceText text(source);
        EXPECT_EQ(place_of_hash(source), text.position_of(source.find('#'))) << source;
    }
}

TEST(TomlDocument, KeepsTheOrderOfTheFile) {
    const TomlDocument document = parse_toml("z = 1\na = 2\nm.b = 3\nm.a = 4\n", "x.toml");

    ASSERT_EQ(document.root.entries.size(), 3);
    EXPECT_EQ(document.root.entries[0].key, "z");
    EXPECT_EQ(document.root.entries[1].key, "a");
    EXPECT_EQ(document.root.entries[2].value.entries[0].key, "b");
}

TEST(TomlDocument, WritesDatesAsText) {
    const TomlDocument document =
        parse_toml("a = 2026-01-31\nb = 12:30:05.5\nc = 2026-01-31T12:00:00Z\n"
                   "d = 2026-01-31T12:00:00-05:30\n",
                   "x.toml");

    EXPECT_EQ(document.root.find("a")->text, "2026-01-31");
    EXPECT_EQ(document.root.find("b")->text, "12:30:05.5");
    EXPECT_EQ(document.root.find("c")->text, "2026-01-31T12:00:00Z");
    EXPECT_EQ(document.root.find("d")->text, "2026-01-31T12:00:00-05:30");
}

} // namespace
} // namespace baton::orchestrator::definition
