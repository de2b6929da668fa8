// Graphs as text that others draw, and drawn. Pure.
#pragma once

#include "orchestrator/graph/graph.hpp"
#include "orchestrator/graph/layout.hpp"

#include <string>

namespace baton::orchestrator::graph {

// A flowchart of Mermaid, as GitHub and many editors show it.
std::string to_mermaid(const Graph& graph);
// For Graphviz.
std::string to_dot(const Graph& graph);
// A drawing of its own, light or dark as the reader likes. Each step is a group with class "step"
// and its path in `data-step`, so that a page can colour it.
std::string to_svg(const Graph& graph, const Layout& layout);

} // namespace baton::orchestrator::graph
