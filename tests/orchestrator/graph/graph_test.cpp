// Workflows drawn: what is connected, that no box lies on another and arrows lead down, and that
// every form is whole whatever the names and conditions hold.
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/graph/draw.hpp"
#include "orchestrator/graph/graph.hpp"
#include "orchestrator/graph/layout.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::graph {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

Graph drawn(std::string_view source) {
    const auto loaded = definition::load(source, "w.toml");
    EXPECT_TRUE(loaded) << definition::render(loaded.diagnostics, source);
    return loaded ? graph_of(*loaded.workflow) : Graph{};
}

std::vector<std::string> edges(const Graph& graph) {
    std::vector<std::string> out;
    for (const Edge& edge : graph.edges)
        out.push_back(fmt::format("{}{}{}{}", graph.nodes[edge.from].path,
                                  edge.kind == Edge::Kind::follows ? " > " : " ~ ",
                                  graph.nodes[edge.to].path,
                                  edge.label.empty() ? "" : " (" + edge.label + ")"));
    return out;
}

constexpr std::string_view whole = R"(
workflow = "whole"
[input]
n = { type = "integer", default = 1 }
[[step]]
id = "choose"
switch = [ { when = "input.n < 2 && 'a' != \"b\"", go = "few" }, { go = "many" } ]
[[step]]
id = "few"
task = "t.few"
catch = [ { error = "gone", go = "sorry" }, { error = "*", continue = true } ]
compensate = { task = "t.undo" }
[[step]]
id = "many"
[[step.parallel]]
id = "left"
task = "t.left"
when = "input.n > 5"
[[step.parallel]]
id = "right"
for_each = "[1, 2]"
task = "t.right"
[[step]]
id = "merge"
after = ["few", "many"]
wait = "1m"
[[step]]
id = "sorry"
task = "t.sorry"
[[finally]]
id = "tidy"
task = "t.tidy"
)";

TEST(Graph, ShowsWhatFollowsWhatAndWhere) {
    const Graph graph = drawn(whole);
    EXPECT_THAT(edges(graph),
                UnorderedElementsAre("choose ~ few (input.n < 2 && 'a' != \"b\")", "choose ~ many (else)",
                                     "few ~ sorry (catch gone)", "few > merge", "many > merge",
                                     "merge ~ finally", "sorry ~ finally"));
    const auto at = [&](std::string_view path) {
        return *std::ranges::find(graph.nodes, path, &Node::path);
    };
    EXPECT_EQ(at("few").detail, "t.few");
    EXPECT_THAT(at("few").notes, testing::ElementsAre("catch *", "undo t.undo"));
    EXPECT_THAT(at("many.left").notes, testing::ElementsAre("when input.n > 5"));
    EXPECT_THAT(at("many.right").notes, testing::ElementsAre("for each [1, 2]"));
    EXPECT_EQ(graph.nodes[at("many.left").parent].path, "many");
    EXPECT_EQ(graph.nodes[at("tidy").parent].path, "finally");
    EXPECT_EQ(at("merge").detail, "1m");
    EXPECT_GT(at("merge").line, 0U);
}

bool overlap(const Box& a, const Box& b) {
    return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height &&
           b.y < a.y + a.height;
}
bool inside(const Box& a, const Box& b) {
    return a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width + 0.01 &&
           a.y + a.height <= b.y + b.height + 0.01;
}

void expect_in_order(const Graph& graph) {
    const Layout layout = lay_out(graph);
    const Box page{0, 0, layout.width, layout.height};
    for (std::size_t at = 0; at < graph.nodes.size(); ++at) {
        const std::size_t parent = graph.nodes[at].parent;
        EXPECT_TRUE(inside(layout.boxes[at], parent == no_node ? page : layout.boxes[parent]))
            << graph.nodes[at].path;
        for (std::size_t other = 0; other < at; ++other)
            if (graph.nodes[other].parent == parent)
                EXPECT_FALSE(overlap(layout.boxes[at], layout.boxes[other]))
                    << graph.nodes[at].path << " and " << graph.nodes[other].path;
    }
    for (std::size_t at = 0; at < graph.edges.size(); ++at) {
        const auto& way = layout.ways[at];
        ASSERT_GE(way.size(), 2U);
        EXPECT_LT(way.front().y, way.back().y) << graph.nodes[graph.edges[at].from].path;
        EXPECT_TRUE(std::ranges::is_sorted(way, {}, &Point::y))
            << graph.nodes[graph.edges[at].from].path;
    }
}

TEST(Layout, BoxesLieInTheirBlocksAndOnNoOther) {
    expect_in_order(drawn(whole));
    EXPECT_TRUE(lay_out({}).boxes.empty());
}

// Steps with random predecessors, some of them blocks.
std::string random_workflow(std::uint32_t seed, std::size_t steps) {
    std::mt19937 random(seed);
    std::string out = "workflow = \"random\"\n";
    for (std::size_t at = 0; at < steps; ++at) {
        out += fmt::format("[[step]]\nid = \"s{}\"\n", at);
        std::string after;
        for (std::size_t n = random() % 3; at > 0 && n > 0; --n) {
            const std::string one = fmt::format("\"s{}\"", random() % at);
            if (after.find(one) == std::string::npos) after += (after.empty() ? "" : ", ") + one;
        }
        out += "after = [" + after + "]\n";
        if (random() % 4 == 0)
            for (std::size_t child = 0; child < 1 + random() % 4; ++child)
                out += fmt::format("[[step.parallel]]\nid = \"c{}_{}\"\ntask = \"t\"\n", at, child);
        else
            out += "task = \"t\"\n";
    }
    return out;
}

TEST(Layout, OfManyRandomWorkflowsIsInOrder) {
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE(seed);
        expect_in_order(drawn(random_workflow(seed, 5 + seed % 30)));
    }
}

TEST(Layout, IsTheSameEachTime) {
    const Graph graph = drawn(random_workflow(7, 40));
    EXPECT_EQ(to_svg(graph, lay_out(graph)), to_svg(graph, lay_out(graph)));
}

TEST(Draw, SvgIsXmlWhateverConditionsHold) {
    const Graph graph = drawn(whole);
    const std::string svg = to_svg(graph, lay_out(graph));
    EXPECT_THAT(svg, HasSubstr("input.n &lt; 2 &amp;&amp; 'a' != &quot;b&quot;"));
    EXPECT_THAT(svg, HasSubstr("data-step=\"many.left\""));
    EXPECT_EQ(svg.find("<script"), std::string::npos);
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(Draw, MermaidTakesNothingForItsOwn) {
    const std::string text = to_mermaid(drawn(whole));
    EXPECT_THAT(text, HasSubstr("flowchart TD\n"));
    EXPECT_THAT(text, HasSubstr("input.n #60; 2 #38;#38; #39;a#39; #33;#61; #34;b#34;"));
    EXPECT_THAT(text, HasSubstr("subgraph n"));
}

TEST(Draw, DotConnectsBlocksAtTheirBorders) {
    const std::string text = to_dot(drawn(whole));
    EXPECT_THAT(text, HasSubstr("subgraph cluster_"));
    EXPECT_THAT(text, HasSubstr("ltail=cluster_"));
    EXPECT_THAT(text, HasSubstr(R"(label="input.n < 2 && 'a' != \"b\"")"));
}

} // namespace
} // namespace baton::orchestrator::graph
