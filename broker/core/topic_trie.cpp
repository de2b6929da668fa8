// The walk through topic patterns.
#include "broker/core/topic_trie.hpp"

#include <algorithm>

namespace baton::broker::core {

struct TopicTrie::Node {
    std::unordered_map<std::string, std::unique_ptr<Node>, NameHash, std::equal_to<>> words;
    std::unique_ptr<Node> any_word;  // *
    std::unique_ptr<Node> any_words; // #
    bool is_any_words = false;
    std::vector<Binding*> bindings;
    // The last step of a walk that entered this node, so that it is entered once a step.
    mutable std::uint64_t entered = 0;

    bool unused() const {
        return words.empty() && !any_word && !any_words && bindings.empty();
    }
};

namespace {

// Calls `visit` for each word; an empty key is one empty word, as in RabbitMQ's splitting.
template <typename Visit>
void each_word(std::string_view key, Visit&& visit) {
    for (;;) {
        const std::size_t dot = key.find('.');
        if (dot == std::string_view::npos) return visit(key);
        visit(key.substr(0, dot));
        key.remove_prefix(dot + 1);
    }
}

} // namespace

TopicTrie::TopicTrie() : root_(std::make_unique<Node>()) {}
TopicTrie::~TopicTrie() = default;

bool TopicTrie::empty() const { return root_->unused(); }

void TopicTrie::add(std::string_view pattern, Binding* binding) {
    Node* node = root_.get();
    if (!pattern.empty())
        each_word(pattern, [&](std::string_view word) {
            if (word == "*") {
                if (!node->any_word) node->any_word = std::make_unique<Node>();
                node = node->any_word.get();
            } else if (word == "#") {
                if (!node->any_words) {
                    node->any_words = std::make_unique<Node>();
                    node->any_words->is_any_words = true;
                }
                node = node->any_words.get();
            } else {
                auto found = node->words.find(word);
                if (found == node->words.end())
                    found = node->words.emplace(std::string(word), std::make_unique<Node>()).first;
                node = found->second.get();
            }
        });
    node->bindings.push_back(binding);
}

void TopicTrie::remove(std::string_view pattern, Binding* binding) {
    std::vector<std::pair<Node*, std::string_view>> path; // parent and word
    Node* node = root_.get();
    bool there = true;
    if (!pattern.empty())
        each_word(pattern, [&](std::string_view word) {
            if (!there) return;
            path.emplace_back(node, word);
            if (word == "*") {
                node = node->any_word.get();
            } else if (word == "#") {
                node = node->any_words.get();
            } else {
                const auto found = node->words.find(word);
                node = found == node->words.end() ? nullptr : found->second.get();
            }
            there = node != nullptr;
        });
    if (!there) return;
    std::erase(node->bindings, binding);
    for (auto step = path.rbegin(); step != path.rend() && node->unused(); ++step) {
        const auto [parent, word] = *step;
        if (word == "*")
            parent->any_word.reset();
        else if (word == "#")
            parent->any_words.reset();
        else
            parent->words.erase(parent->words.find(word));
        node = parent;
    }
}

// `#` also stands for no word at all, so entering a node enters its `#` child.
void TopicTrie::enter(Node* node, std::vector<Node*>& active) const {
    while (node != nullptr && node->entered != walk_) {
        node->entered = walk_;
        active.push_back(node);
        node = node->any_words.get();
    }
}

void TopicTrie::match(std::string_view routing_key, std::vector<Binding*>& found) const {
    std::vector<Node*> active;
    std::vector<Node*> next;
    ++walk_;
    enter(root_.get(), active);
    if (!routing_key.empty())
        each_word(routing_key, [&](std::string_view word) {
            ++walk_;
            for (Node* node : active) {
                if (node->is_any_words) enter(node, next);
                enter(node->any_word.get(), next);
                if (node->words.empty()) continue;
                const auto child = node->words.find(word);
                if (child != node->words.end()) enter(child->second.get(), next);
            }
            active.swap(next);
            next.clear();
        });
    for (const Node* node : active)
        found.insert(found.end(), node->bindings.begin(), node->bindings.end());
}

} // namespace baton::broker::core
