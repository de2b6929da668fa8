// Documents keep their text, and refuse what is no JSON.
#include "orchestrator/core/document.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

TEST(Document, KeepsTheTextItWasMadeFrom) {
    const auto document = Document::parse(R"({ "a" : 1.0 })");

    ASSERT_TRUE(document);
    EXPECT_EQ(document->text(), R"({ "a" : 1.0 })");
    EXPECT_TRUE(document->json().is_object());
}

TEST(Document, IsNullAtFirst) {
    EXPECT_TRUE(Document{}.is_null());
    EXPECT_EQ(Document{}.text(), "null");
    EXPECT_TRUE(Document::parse("null")->is_null());
}

TEST(Document, RefusesWhatIsNoJsonWithTheByte) {
    for (const char* text : {"", "{", "{]", "nul", "[1,]", "\xff", "1 2"}) {
        const auto document = Document::parse(text);
        ASSERT_FALSE(document) << text;
        EXPECT_NE(document.error().detail.find("not JSON that can be used: line 1, column"), std::string::npos);
    }
}

TEST(Document, RefusesBottomlessNesting) {
    EXPECT_FALSE(Document::parse(std::string(100'000, '[')));
    EXPECT_TRUE(Document::parse(std::string(60, '[') + std::string(60, ']')));
}

} // namespace
} // namespace baton::orchestrator::core
