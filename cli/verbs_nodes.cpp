// The verbs about servers that share one store: nodes, drain.
#include "base/printable.hpp"
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <memory>

namespace baton::cli {

namespace json = boost::json;

namespace {

void list_nodes(Session& session, bool as_json) {
    Api api(session.environment);
    const auto found = expect(session, api.get("/api/orchestrators"));
    if (!found) return;
    if (as_json) return print_json(*found);
    const auto& nodes = found->as_object().at("nodes").as_array();
    if (nodes.empty()) fmt::print("this server is alone on its store\n");
    for (const auto& node : nodes) {
        const auto& owned = node.as_object().at("partitions").as_array();
        fmt::print("{:<40} {:<8} {:>3} partitions  {}{}\n", printable(member(node, "node")),
                   member(node, "state"), owned.size(), printable(member(node, "version")),
                   node.as_object().at("this").as_bool() ? "  (this one)" : "");
    }
    const auto& unowned = found->as_object().at("unowned").as_array();
    if (!nodes.empty() && !unowned.empty())
        fmt::print("{} partitions are nobody's at this moment\n", unowned.size());
}

void drain(Session& session, bool undo, bool as_json) {
    Api api(session.environment);
    const auto done = expect(session, api.post("/api/drain", json::object{{"drain", !undo}}));
    if (!done) return;
    if (as_json) return print_json(*done);
    fmt::print("{} {}\n", printable(member(*done, "node")),
               undo ? "takes its share of the runs again"
                    : "gives its runs to the other servers; baton nodes shows when it has none");
}

} // namespace

void add_node_verbs(CLI::App& app, Session& session) {
    struct Values {
        bool as_json = false, undo = false;
    };
    auto values = std::make_shared<Values>();

    auto* listing =
        app.add_subcommand("nodes", "List the servers that share the store, and what each owns");
    listing->add_flag("--json", values->as_json, "Print JSON");
    listing->footer("Example:\n  baton nodes");
    listing->callback([&session, values] { list_nodes(session, values->as_json); });

    auto* draining = app.add_subcommand(
        "drain", "Make a server give its runs to the others that share its store");
    draining->add_flag("--undo", values->undo, "Let it take its share again");
    draining->add_flag("--json", values->as_json, "Print JSON");
    draining->footer("The server that is asked (BATON_URL) goes on answering, and owns no runs. An "
                     "ordinary stop does the same by itself.\n\n"
                     "Examples:\n  baton drain\n  baton drain --undo");
    draining->callback([&session, values] { drain(session, values->undo, values->as_json); });
}

} // namespace baton::cli
