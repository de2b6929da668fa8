#include "orchestrator/graph/draw.hpp"

#include "base/xml_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string_view>
#include <vector>

namespace baton::orchestrator::graph {

namespace {

std::vector<std::string> lines_of(const Node& node) {
    std::vector<std::string> lines{node.title,
                                   node.detail.empty() ? node.kind : node.kind + " " + node.detail};
    lines.insert(lines.end(), node.notes.begin(), node.notes.end());
    return lines;
}

// Inside quotes Mermaid reads entities, and takes nothing else for its own.
std::string mermaid_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                              (c >= 'a' && c <= 'z') || c == ' ' || c == '_' || c == '.' ||
                              c == '-' || (static_cast<unsigned char>(c) & 0x80) != 0;
        if (is_plain)
            out += c;
        else
            out += fmt::format("#{};", static_cast<int>(c));
    }
    return out;
}

std::string mermaid_label(const Node& node) {
    std::string text;
    for (const std::string& line : lines_of(node))
        text += (text.empty() ? "" : "<br/>") + mermaid_text(line);
    return text;
}

void mermaid_node(const Graph& graph, std::size_t at, int depth, std::string& out) {
    const Node& node = graph.nodes[at];
    const std::string indent(static_cast<std::size_t>(depth) * 4, ' ');
    if (!node.is_block()) {
        const bool is_choice = node.kind == "switch";
        out += fmt::format("{}n{}{}\"{}\"{}\n", indent, at, is_choice ? "{" : "[",
                           mermaid_label(node), is_choice ? "}" : "]");
        return;
    }
    out += fmt::format("{}subgraph n{}[\"{}\"]\n", indent, at, mermaid_label(node));
    for (const std::size_t child : node.children)
        mermaid_node(graph, child, depth + 1, out);
    out += indent + "end\n";
}

std::string dot_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c == '\n' ? ' ' : c;
    }
    return out;
}

std::string dot_label(const Node& node) {
    std::string text;
    for (const std::string& line : lines_of(node))
        text += (text.empty() ? "" : "\\n") + dot_text(line);
    return text;
}

void dot_node(const Graph& graph, std::size_t at, int depth, std::string& out) {
    const Node& node = graph.nodes[at];
    const std::string indent(static_cast<std::size_t>(depth) * 4, ' ');
    if (!node.is_block()) {
        out += fmt::format("{}n{} [label=\"{}\"{}];\n", indent, at, dot_label(node),
                           node.kind == "switch" ? ", shape=diamond" : "");
        return;
    }
    out += fmt::format("{}subgraph cluster_{} {{\n{}    label=\"{}\";\n", indent, at, indent,
                       dot_label(node));
    for (const std::size_t child : node.children)
        dot_node(graph, child, depth + 1, out);
    out += indent + "}\n";
}

// Graphviz connects no clusters, but what is in them.
std::size_t first_inside(const Graph& graph, std::size_t at) {
    while (graph.nodes[at].is_block())
        at = graph.nodes[at].children.front();
    return at;
}
std::size_t last_inside(const Graph& graph, std::size_t at) {
    while (graph.nodes[at].is_block())
        at = graph.nodes[at].children.back();
    return at;
}

std::string_view class_of(Edge::Kind kind) {
    switch (kind) {
    case Edge::Kind::follows:
        return "follows";
    case Edge::Kind::sent:
        return "sent";
    case Edge::Kind::ends:
        return "ends";
    }
    return "";
}

constexpr std::string_view svg_style = R"(<style>
svg{font:12px sans-serif;background:#fff}
rect{fill:#f6f8fa;stroke:#59636e;rx:6}text{fill:#1f2328}.kind,.note{fill:#59636e}.title{font-weight:600}
path{fill:none;stroke:#59636e;stroke-width:1.3}.sent{stroke:#0969da;stroke-dasharray:5 3}.ends{stroke-dasharray:2 4}
.label{fill:#0969da;font-size:11px}marker path{fill:#59636e;stroke:none}
@media(prefers-color-scheme:dark){svg{background:#0d1117}rect{fill:#161b22;stroke:#8b949e}text{fill:#e6edf3}
.kind,.note{fill:#9198a1}path{stroke:#8b949e}.sent{stroke:#4493f8}.label{fill:#4493f8}marker path{fill:#8b949e}}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>
)";

void svg_node(const Node& node, const Box& box, std::string& out) {
    out += fmt::format("<g class=\"step {}\" data-step=\"{}\"><title>{}</title><rect x=\"{:.0f}\" "
                       "y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\"/>",
                       node.kind, xml_text(node.path), xml_text(node.path), box.x, box.y, box.width,
                       box.height);
    double y = box.y + 22;
    const auto lines = lines_of(node);
    for (std::size_t at = 0; at < lines.size(); ++at, y += 16)
        out += fmt::format("<text class=\"{}\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>",
                           at == 0   ? "title"
                           : at == 1 ? "kind"
                                     : "note",
                           box.x + 10, y, xml_text(lines[at]));
    out += "</g>\n";
}

// A curve through the bends, upright where it meets a box.
std::string curve(const std::vector<Point>& way) {
    std::string path = fmt::format("M{:.1f} {:.1f}", way.front().x, way.front().y);
    for (std::size_t at = 1; at < way.size(); ++at) {
        const Point& from = way[at - 1];
        const Point& to = way[at];
        const double half = (to.y - from.y) / 2;
        path += fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", from.x, from.y + half,
                            to.x, to.y - half, to.x, to.y);
    }
    return path;
}

// `above`: so many labels stand at the same arrowhead already.
void svg_edge(const Graph& graph, const Edge& edge, const std::vector<Point>& way,
              std::size_t above, std::string& out) {
    out += fmt::format(
        "<path class=\"{}\" data-from=\"{}\" data-to=\"{}\" marker-end=\"url(#tip)\" d=\"{}\"/>\n",
        class_of(edge.kind), xml_text(graph.nodes[edge.from].path),
        xml_text(graph.nodes[edge.to].path), curve(way));
    if (edge.label.empty()) return;
    const Point& end = way.back();
    out += fmt::format("<text class=\"label\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>\n", end.x + 6,
                       end.y - 8 - 12 * static_cast<double>(above), xml_text(edge.label));
}

} // namespace

std::string to_mermaid(const Graph& graph) {
    std::string out = "flowchart TD\n";
    for (const std::size_t at : graph.top)
        mermaid_node(graph, at, 1, out);
    for (const Edge& edge : graph.edges) {
        const char* arrow = edge.kind == Edge::Kind::follows ? "-->" : "-.->";
        out += fmt::format("    n{} {}{} n{}\n", edge.from, arrow,
                           edge.label.empty() ? "" : "|\"" + mermaid_text(edge.label) + "\"|",
                           edge.to);
    }
    return out;
}

std::string to_dot(const Graph& graph) {
    std::string out = fmt::format("digraph \"{}\" {{\n    compound=true;\n    node [shape=box];\n",
                                  dot_text(graph.title));
    for (const std::size_t at : graph.top)
        dot_node(graph, at, 1, out);
    for (const Edge& edge : graph.edges) {
        std::string about;
        if (!edge.label.empty()) about += fmt::format(" label=\"{}\"", dot_text(edge.label));
        if (edge.kind != Edge::Kind::follows) about += " style=dashed";
        if (graph.nodes[edge.from].is_block()) about += fmt::format(" ltail=cluster_{}", edge.from);
        if (graph.nodes[edge.to].is_block()) about += fmt::format(" lhead=cluster_{}", edge.to);
        out += fmt::format("    n{} -> n{}{};\n", last_inside(graph, edge.from),
                           first_inside(graph, edge.to),
                           about.empty() ? "" : " [" + about.substr(1) + "]");
    }
    return out + "}\n";
}

std::string to_svg(const Graph& graph, const Layout& layout) {
    std::string out =
        fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
                    "width=\"{0:.0f}\" height=\"{1:.0f}\" "
                    "role=\"img\" aria-label=\"workflow {2}\">\n",
                    std::ceil(layout.width), std::ceil(layout.height), xml_text(graph.title));
    out += svg_style;
    for (std::size_t at = 0; at < graph.nodes.size(); ++at)
        svg_node(graph.nodes[at], layout.boxes[at], out);
    std::map<std::size_t, std::size_t> labels; // by the node they stand at
    for (std::size_t at = 0; at < graph.edges.size(); ++at) {
        const Edge& edge = graph.edges[at];
        svg_edge(graph, edge, layout.ways[at], edge.label.empty() ? 0 : labels[edge.to]++, out);
    }
    return out + "</svg>\n";
}

} // namespace baton::orchestrator::graph
