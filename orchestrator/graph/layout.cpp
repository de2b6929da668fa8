#include "orchestrator/graph/layout.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace baton::orchestrator::graph {

namespace {

constexpr double letter_width = 7.0;
constexpr double line_height = 16.0;
constexpr double padding = 10.0;
constexpr double node_gap = 28.0;
constexpr double layer_gap = 44.0;
constexpr double width_min = 90.0;
constexpr double dummy_width = 8.0;
constexpr int sweeps = 8;
constexpr int straightenings = 6;

std::size_t letters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
}

double text_width(const Node& node) {
    std::size_t most = std::max(letters(node.title), letters(node.detail) + letters(node.kind) + 1);
    for (const std::string& note : node.notes)
        most = std::max(most, letters(note));
    return std::max(width_min, static_cast<double>(most) * letter_width + 2 * padding);
}

// The boxes beside one another in one block, with what is between them.
class Level {
public:
    // An item is a node, or the bend of an arrow that passes a layer.
    struct Item {
        std::size_t node = no_node;
        std::size_t layer = 0;
        double width = dummy_width;
        double height = 0;
        double x = 0; // left
        std::vector<std::size_t> above{};
        std::vector<std::size_t> below{};
        double middle() const { return x + width / 2; }
    };

    std::size_t add(std::size_t node, double width, double height) {
        items_.push_back({node, 0, width, height, 0, {}, {}});
        return items_.size() - 1;
    }
    // Gives the link's number.
    std::size_t connect(std::size_t from, std::size_t to) {
        links_.push_back({from, to, {}});
        return links_.size() - 1;
    }

    void place();

    const std::vector<Item>& items() const { return items_; }
    std::vector<Point> bends(std::size_t link) const;
    double top_of(std::size_t layer) const { return tops_[layer]; }
    double width() const { return width_; }
    double height() const { return height_; }

private:
    struct Link {
        std::size_t from;
        std::size_t to;
        std::vector<std::size_t> way; // items between
    };

    void find_layers();
    void add_bends();
    void find_order();
    bool sort_layer(std::size_t layer, bool by_above);
    void find_places();
    void press(std::size_t layer, bool by_above);
    void find_heights();

    std::vector<Item> items_;
    std::vector<Link> links_;
    std::vector<std::vector<std::size_t>> layers_;
    std::vector<double> tops_;
    double width_ = 0;
    double height_ = 0;
};

void Level::place() {
    find_layers();
    add_bends();
    find_order();
    find_places();
    find_heights();
}

// The longest way from a beginning. Steps have no cycles; arrows that lead back all the same are
// drawn, and do not count.
void Level::find_layers() {
    std::vector<std::size_t> before(items_.size(), 0);
    for (const Link& link : links_)
        ++before[link.to];
    std::vector<std::vector<std::size_t>> after(items_.size());
    for (const Link& link : links_)
        after[link.from].push_back(link.to);
    std::vector<std::size_t> ready;
    for (std::size_t at = 0; at < items_.size(); ++at)
        if (before[at] == 0) ready.push_back(at);
    for (std::size_t next = 0; next < ready.size(); ++next)
        for (const std::size_t to : after[ready[next]]) {
            items_[to].layer = std::max(items_[to].layer, items_[ready[next]].layer + 1);
            if (--before[to] == 0) ready.push_back(to);
        }
}

void Level::add_bends() {
    for (Link& link : links_) {
        std::size_t last = link.from;
        for (std::size_t layer = items_[link.from].layer + 1; layer < items_[link.to].layer;
             ++layer) {
            items_.push_back({no_node, layer, dummy_width, 0, 0, {}, {}});
            const std::size_t bend = items_.size() - 1;
            items_[last].below.push_back(bend);
            items_[bend].above.push_back(last);
            link.way.push_back(bend);
            last = bend;
        }
        if (items_[link.from].layer >= items_[link.to].layer) continue;
        items_[last].below.push_back(link.to);
        items_[link.to].above.push_back(last);
    }
    for (std::size_t at = 0; at < items_.size(); ++at) {
        if (layers_.size() <= items_[at].layer) layers_.resize(items_[at].layer + 1);
        layers_[items_[at].layer].push_back(at);
    }
}

// Each to the middle of its neighbours, down and up, as long as that changes something.
void Level::find_order() {
    for (int sweep = 0; sweep < sweeps; ++sweep) {
        bool has_changed = false;
        for (std::size_t layer = 1; layer < layers_.size(); ++layer)
            has_changed |= sort_layer(layer, true);
        for (std::size_t layer = layers_.size(); layer-- > 1;)
            has_changed |= sort_layer(layer - 1, false);
        if (!has_changed) return;
    }
}

bool Level::sort_layer(std::size_t layer, bool by_above) {
    std::vector<double> place(items_.size(), 0);
    const std::size_t other = by_above ? layer - 1 : layer + 1;
    for (std::size_t at = 0; at < layers_[other].size(); ++at)
        place[layers_[other][at]] = static_cast<double>(at);
    std::vector<std::pair<double, std::size_t>> wanted;
    for (std::size_t at = 0; at < layers_[layer].size(); ++at) {
        const Item& item = items_[layers_[layer][at]];
        const auto& neighbours = by_above ? item.above : item.below;
        double sum = 0;
        for (const std::size_t one : neighbours)
            sum += place[one];
        // Who has none stays where it is.
        wanted.emplace_back(neighbours.empty() ? static_cast<double>(at)
                                               : sum / static_cast<double>(neighbours.size()),
                            at);
    }
    std::sort(wanted.begin(), wanted.end());
    std::vector<std::size_t> sorted;
    for (const auto& [middle, at] : wanted)
        sorted.push_back(layers_[layer][at]);
    const bool has_changed = sorted != layers_[layer];
    layers_[layer] = std::move(sorted);
    return has_changed;
}

// Side by side first; then each layer towards the middles of its neighbours, without overlaps.
void Level::find_places() {
    for (const auto& layer : layers_) {
        double x = 0;
        for (const std::size_t at : layer) {
            items_[at].x = x;
            x += items_[at].width + node_gap;
        }
    }
    for (int turn = 0; turn < straightenings; ++turn) {
        for (std::size_t layer = 1; layer < layers_.size(); ++layer)
            press(layer, true);
        for (std::size_t layer = layers_.size(); layer-- > 1;)
            press(layer - 1, false);
    }
    double left = 0;
    for (const Item& item : items_)
        left = std::min(left, item.x);
    for (Item& item : items_) {
        item.x -= left;
        width_ = std::max(width_, item.x + item.width);
    }
}

void Level::press(std::size_t layer, bool by_above) {
    const auto& row = layers_[layer];
    std::vector<double> wanted;
    for (const std::size_t at : row) {
        const auto& neighbours = by_above ? items_[at].above : items_[at].below;
        double sum = 0;
        for (const std::size_t one : neighbours)
            sum += items_[one].middle();
        wanted.push_back(neighbours.empty()
                             ? items_[at].x
                             : sum / static_cast<double>(neighbours.size()) - items_[at].width / 2);
    }
    // As far left as they may lie, and as far right; the middle of both keeps the distances and the
    // wishes.
    std::vector<double> least(row.size());
    std::vector<double> most(row.size());
    for (std::size_t at = 0; at < row.size(); ++at)
        least[at] =
            at == 0 ? wanted[at]
                    : std::max(wanted[at], least[at - 1] + items_[row[at - 1]].width + node_gap);
    for (std::size_t at = row.size(); at-- > 0;)
        most[at] = at + 1 == row.size()
                       ? wanted[at]
                       : std::min(wanted[at], most[at + 1] - items_[row[at]].width - node_gap);
    for (std::size_t at = 0; at < row.size(); ++at)
        items_[row[at]].x = (least[at] + most[at]) / 2;
}

void Level::find_heights() {
    double y = 0;
    for (const auto& layer : layers_) {
        tops_.push_back(y);
        double height = 0;
        for (const std::size_t at : layer)
            height = std::max(height, items_[at].height);
        height_ = y + height;
        y = height_ + layer_gap;
    }
}

std::vector<Point> Level::bends(std::size_t link) const {
    std::vector<Point> out;
    for (const std::size_t at : links_[link].way)
        out.push_back({items_[at].middle(), top_of(items_[at].layer)});
    return out;
}

class Painter {
public:
    explicit Painter(const Graph& graph) : graph_(graph) {
        out_.boxes.resize(graph.nodes.size());
        out_.ways.resize(graph.edges.size());
        depths_.resize(graph.nodes.size(), 0);
        for (std::size_t at = 0; at < graph.nodes.size(); ++at)
            if (graph.nodes[at].parent != no_node)
                depths_[at] = depths_[graph.nodes[at].parent] + 1;
        for (std::size_t at = 0; at < graph.edges.size(); ++at)
            sort_in(at);
    }

    Layout paint() {
        // What is inside first: it says how large the box is.
        for (std::size_t at = graph_.nodes.size(); at-- > 0;)
            if (graph_.nodes[at].is_block()) place(at, graph_.nodes[at].children);
        place(no_node, graph_.top);
        Level& whole = levels_.at(no_node);
        out_.width = whole.width() + 2 * padding;
        out_.height = whole.height() + 2 * padding;
        settle(no_node, padding, padding);
        for (std::size_t at = 0; at < graph_.edges.size(); ++at)
            draw(at);
        return std::move(out_);
    }

private:
    struct Crossing { // an edge among the children of one block
        std::size_t edge = 0;
        std::size_t from = 0; // nodes
        std::size_t to = 0;
    };

    // To the innermost block around both ends.
    void sort_in(std::size_t edge) {
        std::size_t from = graph_.edges[edge].from;
        std::size_t to = graph_.edges[edge].to;
        while (depths_[from] > depths_[to])
            from = graph_.nodes[from].parent;
        while (depths_[to] > depths_[from])
            to = graph_.nodes[to].parent;
        while (from != to && graph_.nodes[from].parent != graph_.nodes[to].parent) {
            from = graph_.nodes[from].parent;
            to = graph_.nodes[to].parent;
        }
        if (from != to) crossings_[graph_.nodes[from].parent].push_back({edge, from, to});
    }

    void place(std::size_t block, const std::vector<std::size_t>& children) {
        Level level;
        std::map<std::size_t, std::size_t> item_of;
        for (const std::size_t child : children) {
            const auto [width, height] = size_of(child);
            item_of[child] = level.add(child, width, height);
        }
        for (const Crossing& one : crossings_[block])
            links_[one.edge] = {block, level.connect(item_of.at(one.from), item_of.at(one.to))};
        level.place();
        levels_.emplace(block, std::move(level));
    }

    std::pair<double, double> size_of(std::size_t node) const {
        const Node& one = graph_.nodes[node];
        const double head = head_height(one);
        if (!one.is_block()) return {text_width(one), head};
        const Level& inside = levels_.at(node);
        return {std::max(text_width(one), inside.width() + 2 * padding),
                head + inside.height() + padding};
    }

    void settle(std::size_t block, double x, double y) {
        const Level& level = levels_.at(block);
        origins_[block] = {x, y};
        for (const Level::Item& item : level.items()) {
            if (item.node == no_node) continue;
            out_.boxes[item.node] = {x + item.x, y + level.top_of(item.layer), item.width,
                                     item.height};
            const Node& node = graph_.nodes[item.node];
            if (!node.is_block()) continue;
            const Box& box = out_.boxes[item.node];
            const double spare = box.width - 2 * padding - levels_.at(item.node).width();
            settle(item.node, box.x + padding + std::max(0.0, spare / 2),
                   box.y + head_height(node));
        }
    }

    void draw(std::size_t edge) {
        const Box& from = out_.boxes[graph_.edges[edge].from];
        const Box& to = out_.boxes[graph_.edges[edge].to];
        std::vector<Point>& way = out_.ways[edge];
        way.push_back({from.x + from.width / 2, from.y + from.height});
        if (const auto found = links_.find(edge); found != links_.end()) {
            const auto [block, link] = found->second;
            const Point origin = origins_.at(block);
            for (const Point& bend : levels_.at(block).bends(link))
                way.push_back({origin.x + bend.x, origin.y + bend.y});
        }
        way.push_back({to.x + to.width / 2, to.y});
    }

    const Graph& graph_;
    Layout out_;
    std::vector<std::size_t> depths_;
    std::map<std::size_t, std::vector<Crossing>> crossings_; // by block
    std::map<std::size_t, std::pair<std::size_t, std::size_t>>
        links_;                            // by edge: block, and link in its level
    std::map<std::size_t, Level> levels_;  // by block
    std::map<std::size_t, Point> origins_; // by block, of what is inside
};

} // namespace

double head_height(const Node& node) {
    const std::size_t lines = 2 + node.notes.size();
    return static_cast<double>(lines) * line_height + 2 * padding;
}

Layout lay_out(const Graph& graph) {
    if (graph.nodes.empty()) return {};
    return Painter(graph).paint();
}

} // namespace baton::orchestrator::graph
