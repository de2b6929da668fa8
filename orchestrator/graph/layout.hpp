// Where the boxes and arrows of a graph lie. Layers from top to bottom, block by block: a block is
// one box to the steps around it. The longest way gives the layer; the order in a layer is that of
// the neighbours' middles (Sugiyama, Tagawa, Toda: Methods for Visual Understanding of Hierarchical
// System Structures, 1981). Pure and deterministic; a thousand steps take some ten milliseconds.
#pragma once

#include "orchestrator/graph/graph.hpp"

#include <vector>

namespace baton::orchestrator::graph {

// In units of a drawing: about pixels.
struct Point {
    double x = 0;
    double y = 0;
};
struct Box {
    double x = 0; // left
    double y = 0; // top
    double width = 0;
    double height = 0;
};

struct Layout {
    double width = 0;
    double height = 0;
    std::vector<Box> boxes;               // as Graph::nodes
    std::vector<std::vector<Point>> ways; // as Graph::edges, from one box's border to the other's
};

Layout lay_out(const Graph& graph);

// How high the head of a box is: title, detail, a line for each note.
double head_height(const Node& node);

} // namespace baton::orchestrator::graph
