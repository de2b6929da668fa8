// A workflow as people draw it: a box for each step, boxes in boxes for blocks, and arrows for what
// follows what. Pure; made from a checked workflow, without its file.
#pragma once

#include "orchestrator/core/workflow.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace baton::orchestrator::graph {

inline constexpr std::size_t no_node = SIZE_MAX;

struct Node {
    std::string path;                 // of the step; of a phase its word: "on_error", "finally"
    std::string title;                // its id
    std::string kind;                 // "task", "do", "phase", ...
    std::string detail;               // "mail.create", "30d"; may be empty
    std::vector<std::string> notes{}; // "when …", "for each …", "undo mail.delete"
    std::uint32_t line = 0;           // in the workflow's file
    std::size_t parent = no_node;
    std::vector<std::size_t> children{}; // in the order of the file

    bool is_block() const { return !children.empty(); }
};

struct Edge {
    enum class Kind : std::uint8_t {
        follows, // the one is done, then the other
        sent,    // by a go, of a switch, a catch or a time-out
        ends,    // what runs at the run's end comes behind everything
    };

    std::size_t from = 0;
    std::size_t to = 0;
    Kind kind = Kind::follows;
    std::string label{}; // "catch already_in_team", "else"; may be empty
};

struct Graph {
    std::string title;
    std::vector<Node> nodes; // parents before their children
    std::vector<Edge> edges;
    std::vector<std::size_t> top; // without a parent
};

Graph graph_of(const core::Workflow& workflow);

} // namespace baton::orchestrator::graph
