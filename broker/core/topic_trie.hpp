// Topic patterns: words between dots, `*` for exactly one word, `#` for any number of them. A trie
// of words, walked word by word with the set of nodes that still fit, so that the cost is bounded by
// words times nodes also for patterns made to be slow.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::broker::core {

struct Binding;

struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};

class TopicTrie {
public:
    TopicTrie();
    ~TopicTrie();
    TopicTrie(const TopicTrie&) = delete;
    TopicTrie& operator=(const TopicTrie&) = delete;

    void add(std::string_view pattern, Binding* binding);
    void remove(std::string_view pattern, Binding* binding);
    bool empty() const;

    // Appends every binding whose pattern fits, each once.
    void match(std::string_view routing_key, std::vector<Binding*>& found) const;

private:
    struct Node;
    void enter(Node* node, std::vector<Node*>& active) const;

    std::unique_ptr<Node> root_;
    mutable std::uint64_t walk_ = 0;
};

} // namespace baton::broker::core
