#include "web/v1/run_pages.hpp"

#include "orchestrator/graph/graph.hpp"
#include "orchestrator/graph/layout.hpp"

#include <boost/json/array.hpp>

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace graph = orchestrator::graph;
using orchestrator::core::AttemptStory;
using orchestrator::core::StepStory;

namespace {

std::string_view state_word(graph::Edge::Kind kind) {
    switch (kind) {
    case graph::Edge::Kind::follows:
        return "follows";
    case graph::Edge::Kind::sent:
        return "sent";
    case graph::Edge::Kind::ends:
        return "ends";
    }
    return "follows";
}

json::object node_json(const graph::Graph& drawn, const graph::Node& node, const graph::Box& box) {
    json::array notes;
    for (const auto& note : node.notes)
        notes.emplace_back(note);
    json::object out;
    out["path"] = node.path;
    out["title"] = node.title;
    out["kind"] = node.kind;
    out["detail"] = node.detail;
    out["notes"] = std::move(notes);
    out["line"] = node.line;
    out["parent"] = node.parent == graph::no_node ? json::value(nullptr)
                                                  : json::value(drawn.nodes[node.parent].path);
    out["block"] = node.is_block();
    out["x"] = box.x;
    out["y"] = box.y;
    out["width"] = box.width;
    out["height"] = box.height;
    return out;
}

// "people[17].account" → "people.account": the step of the file.
std::string path_of(std::string_view address) {
    std::string path;
    bool is_inside = false;
    for (const char c : address) {
        if (c == '[') is_inside = true;
        if (!is_inside) path += c;
        if (c == ']') is_inside = false;
    }
    return path;
}

// What became of a step of the file, over all its instances.
struct Became {
    std::string_view status;                    // of the step itself
    std::map<std::string_view, std::size_t> of; // instances by status
    std::string_view undo;
};

std::map<std::string, Became> became_of(std::span<const StepStory> steps) {
    std::map<std::string, Became> all;
    for (const StepStory& step : steps) {
        Became& one = all[path_of(step.step)];
        if (step.undo)
            one.undo = step.status;
        else if (step.step.find('[') == std::string::npos)
            one.status = step.status;
        else
            ++one.of[step.status];
    }
    return all;
}

// The most telling of several.
std::string_view loudest(const std::map<std::string_view, std::size_t>& counts) {
    for (const std::string_view status :
         {"dead", "failed", "backing_off", "held", "dispatched", "running", "deferred", "sleeping",
          "waiting", "blocked", "cancelled", "done", "skipped"})
        if (counts.contains(status)) return status;
    return "waiting";
}

json::object segment(std::string_view kind, const AttemptStory* attempt, Time from,
                     std::optional<Time> to) {
    json::object out;
    out["kind"] = kind;
    if (attempt != nullptr) out["attempt"] = attempt->number;
    out["from"] = to_rfc3339(from);
    out["to"] = to ? json::value(to_rfc3339(*to)) : json::value(nullptr);
    if (attempt != nullptr && kind == "running" && !attempt->outcome.empty())
        out["outcome"] = attempt->outcome;
    return out;
}

json::array segments_of(const StepStory& step) {
    json::array out;
    for (std::size_t i = 0; i < step.attempts.size(); ++i) {
        const AttemptStory& one = step.attempts[i];
        // Of a worker that does not say when it begins, the work is all that is known of.
        const Time begins =
            one.started_at.value_or(one.closed_at ? one.dispatched_at : Time::max());
        if (begins != one.dispatched_at)
            out.push_back(segment("queued", &one, one.dispatched_at,
                                  one.started_at ? one.started_at : one.closed_at));
        if (begins != Time::max()) out.push_back(segment("running", &one, begins, one.closed_at));
        if (!one.retry_at || !one.closed_at) continue;
        const bool is_last = i + 1 == step.attempts.size();
        const auto until =
            is_last ? step.closed_at : std::optional(step.attempts[i + 1].dispatched_at);
        out.push_back(segment("backing_off", &one, *one.closed_at, until));
    }
    if (step.attempts.empty() && step.started_at) {
        const bool waits = step.status == "sleeping" || !step.waits_for.is_null();
        out.push_back(
            segment(waits ? "waiting" : "running", nullptr, *step.started_at, step.closed_at));
    }
    return out;
}

} // namespace

json::object graph_json(const orchestrator::core::Workflow& workflow) {
    const graph::Graph drawn = graph::graph_of(workflow);
    const graph::Layout layout = graph::lay_out(drawn);
    json::array nodes, edges;
    for (std::size_t i = 0; i < drawn.nodes.size(); ++i)
        nodes.push_back(node_json(drawn, drawn.nodes[i], layout.boxes[i]));
    for (std::size_t i = 0; i < drawn.edges.size(); ++i) {
        const graph::Edge& edge = drawn.edges[i];
        json::array points;
        for (const graph::Point& point : layout.ways[i])
            points.push_back(json::array{point.x, point.y});
        edges.push_back(json::object{{"from", drawn.nodes[edge.from].path},
                                     {"to", drawn.nodes[edge.to].path},
                                     {"kind", state_word(edge.kind)},
                                     {"label", edge.label},
                                     {"points", std::move(points)}});
    }
    json::object out;
    out["title"] = drawn.title;
    out["width"] = layout.width;
    out["height"] = layout.height;
    out["nodes"] = std::move(nodes);
    out["edges"] = std::move(edges);
    return out;
}

json::object graph_json(const orchestrator::core::Workflow& workflow,
                        std::span<const StepStory> steps) {
    json::object out = graph_json(workflow);
    const auto became = became_of(steps);
    for (auto& value : out.at("nodes").as_array()) {
        json::object& node = value.as_object();
        const auto found = became.find(std::string(node.at("path").as_string()));
        const Became* one = found == became.end() ? nullptr : &found->second;
        node["status"] = one == nullptr         ? "waiting"
                         : !one->status.empty() ? one->status
                                                : loudest(one->of);
        if (one != nullptr && !one->undo.empty()) node["undo"] = one->undo;
        if (one == nullptr || one->of.empty()) continue;
        json::object instances;
        for (const auto& [status, count] : one->of)
            instances[status] = count;
        node["instances"] = std::move(instances);
    }
    return out;
}

json::object timeline_json(Time from, std::optional<Time> to, Time now,
                           std::span<const StepStory> steps) {
    json::array rows;
    for (const StepStory& step : steps) {
        json::array segments = segments_of(step);
        if (segments.empty()) continue;
        json::object row;
        row["step"] = step.step;
        row["undo"] = step.undo;
        row["task"] = step.task.empty() ? json::value(nullptr) : json::value(step.task);
        row["status"] = step.status;
        row["segments"] = std::move(segments);
        rows.push_back(std::move(row));
    }
    json::object out;
    out["from"] = to_rfc3339(from);
    out["to"] = to ? json::value(to_rfc3339(*to)) : json::value(nullptr);
    out["now"] = to_rfc3339(now);
    out["rows"] = std::move(rows);
    return out;
}

} // namespace baton::web
