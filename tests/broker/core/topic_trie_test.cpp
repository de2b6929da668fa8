#include "broker/core/topic_trie.hpp"

#include "broker/core/exchange.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace baton::broker::core {
namespace {

bool fits(const std::vector<std::string>& pattern, std::size_t p,
          const std::vector<std::string>& words, std::size_t w) {
    if (p == pattern.size()) return w == words.size();
    if (pattern[p] == "#")
        return fits(pattern, p + 1, words, w) ||
               (w < words.size() && fits(pattern, p, words, w + 1));
    if (w == words.size()) return false;
    return (pattern[p] == "*" || pattern[p] == words[w]) && fits(pattern, p + 1, words, w + 1);
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ".") + word;
    return text;
}

bool trie_matches(std::string_view pattern, std::string_view key) {
    TopicTrie trie;
    Binding binding;
    trie.add(pattern, &binding);
    std::vector<Binding*> found;
    trie.match(key, found);
    EXPECT_LE(found.size(), 1U);
    return !found.empty();
}

TEST(TopicTrie, KnowsStarAndHash) {
    EXPECT_TRUE(trie_matches("*.stock.#", "usd.stock"));
    EXPECT_TRUE(trie_matches("*.stock.#", "eur.stock.db"));
    EXPECT_FALSE(trie_matches("*.stock.#", "stock.nasdaq"));
    EXPECT_TRUE(trie_matches("#", ""));
    EXPECT_TRUE(trie_matches("#.a", "a"));
    EXPECT_TRUE(trie_matches("a.#.b", "a.b"));
    EXPECT_TRUE(trie_matches("a.#.b", "a.x.y.b"));
    EXPECT_FALSE(trie_matches("a.#.b", "a.x.y"));
    EXPECT_TRUE(trie_matches("", ""));
    EXPECT_FALSE(trie_matches("*", ""));
    EXPECT_TRUE(trie_matches("a.*", "a."));
}

TEST(TopicTrie, AgreesWithTheRuleForRandomPatterns) {
    std::mt19937 random(3);
    const std::vector<std::string> vocabulary{"a", "b", "c", "*", "#"};
    for (int round = 0; round < 100; ++round) {
        TopicTrie trie;
        std::vector<std::vector<std::string>> patterns;
        std::vector<std::unique_ptr<Binding>> bindings;
        for (int count = 0; count < 20; ++count) {
            std::vector<std::string> pattern;
            for (auto words = random() % 5; words != 0; --words)
                pattern.push_back(vocabulary[random() % vocabulary.size()]);
            patterns.push_back(pattern);
            bindings.push_back(std::make_unique<Binding>());
            trie.add(joined(pattern), bindings.back().get());
        }
        for (int count = 0; count < 20; ++count) {
            std::vector<std::string> key;
            for (auto words = random() % 5; words != 0; --words)
                key.push_back(vocabulary[random() % 3]);
            std::multiset<Binding*> expected;
            for (std::size_t at = 0; at < patterns.size(); ++at)
                if (fits(patterns[at], 0, key, 0)) expected.insert(bindings[at].get());

            std::vector<Binding*> found;
            trie.match(joined(key), found);

            EXPECT_EQ(std::multiset<Binding*>(found.begin(), found.end()), expected)
                << joined(key);
        }
        for (std::size_t at = 0; at < patterns.size(); ++at)
            trie.remove(joined(patterns[at]), bindings[at].get());
        EXPECT_TRUE(trie.empty());
    }
}

TEST(TopicTrie, StaysQuickForPatternsMadeToBeSlow) {
    std::string pattern = "#";
    for (int count = 0; count < 60; ++count) pattern += ".#.a";
    std::string key = "a";
    for (int count = 0; count < 120; ++count) key += ".a";

    EXPECT_TRUE(trie_matches(pattern, key));
}

} // namespace
} // namespace baton::broker::core
