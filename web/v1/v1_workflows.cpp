// Workflows under /baton/v1: their versions, their graphs, what differs between two, checking,
// deploying, going back, pausing.
#include "base/utf8.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/definition/loader.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/http/same_site.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/input_form.hpp"
#include "web/v1/line_diff.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/problem.hpp"
#include "web/v1/run_pages.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace core = orchestrator::core;
namespace definition = orchestrator::definition;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunQueries;
using runtime::StoredDefinition;

namespace {

std::string tag_of(const StoredDefinition& one) {
    return core::to_hex(core::sha256(one.source)).substr(0, 32);
}

json::object version_json(const StoredDefinition& one) {
    return {{"version", one.version},
            {"live", one.is_live},
            {"file", one.file_name},
            {"created_at", to_rfc3339(one.created_at)},
            {"etag", tag_of(one)}};
}

json::array diagnostics_json(const std::vector<definition::Diagnostic>& diagnostics) {
    json::array out;
    for (const auto& one : diagnostics) {
        json::object entry;
        entry["severity"] = one.severity == definition::Severity::error ? "error" : "warning";
        entry["line"] = one.line;
        entry["column"] = one.column;
        entry["length"] = one.length;
        entry["message"] = one.message;
        if (!one.hint.empty()) entry["fix"] = one.hint;
        out.push_back(std::move(entry));
    }
    return out;
}

// A workflow's text, as it is or in a JSON object.
struct Sent {
    std::string source;
    std::string file;
};
Outcome<Sent> sent_in(const Request& request, std::string file) {
    if (is_toml(request.content_type)) return Sent{request.body, std::move(file)};
    BATON_ASSIGN(const auto body, body_of(request));
    BATON_TRY(check_members(body, {"source", "file"}));
    Sent sent{text_member(body, "source"), text_member(body, "file")};
    if (sent.file.empty()) sent.file = std::move(file);
    if (sent.source.empty())
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       "the body is the text of a workflow file as application/toml, or JSON with "
                       "'source' and, if you like, 'file'"};
    return sent;
}

class V1Workflows {
public:
    V1Workflows(Routes& routes, std::shared_ptr<const ApiParts> parts)
        : parts_(std::move(parts)),
          undeploy_(routes.handler_of("DELETE", "/api/workflows/{workflow}")),
          pause_(routes.handler_of("POST", "/api/workflows/{workflow}/pause")),
          resume_(routes.handler_of("POST", "/api/workflows/{workflow}/resume")) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Workflows>& self) {
        const RouteAdder<V1Workflows> add(routes, self);
        add("GET", "/baton/v1/workflows", Level::viewer, &V1Workflows::list,
            {"limit", "after", "count"});
        add("POST", "/baton/v1/workflows/check", Level::viewer, &V1Workflows::check);
        add("GET", "/baton/v1/workflows/{workflow}", Level::viewer, &V1Workflows::show);
        add("PUT", "/baton/v1/workflows/{workflow}", Level::deploying, &V1Workflows::deploy);
        add("GET", "/baton/v1/workflows/{workflow}/versions/{version}", Level::viewer,
            &V1Workflows::version);
        add("GET", "/baton/v1/workflows/{workflow}/graph", Level::viewer, &V1Workflows::graph,
            {"version"});
        add("GET", "/baton/v1/workflows/{workflow}/diff", Level::viewer, &V1Workflows::diff,
            {"from", "to"});
        add("POST", "/baton/v1/workflows/{workflow}/rollback", Level::deploying,
            &V1Workflows::roll_back);
        routes.add("DELETE", "/baton/v1/workflows/{workflow}", Level::deploying, self->undeploy_);
        routes.add("POST", "/baton/v1/workflows/{workflow}/pause", Level::operating, self->pause_);
        routes.add("POST", "/baton/v1/workflows/{workflow}/resume", Level::operating,
                   self->resume_);
    }

private:
    static Response no_workflow(std::string_view name) {
        return problem(404, "not_found",
                       fmt::format("no workflow '{}'; baton workflows lists them", as_utf8(name)));
    }

    json::value pause_of(const std::string& name) const {
        const auto pause = parts_->engine->pauses().of_workflow(name);
        if (!pause) return nullptr;
        return json::object{
            {"actor", pause->actor}, {"reason", pause->reason}, {"at", to_rfc3339(pause->at)}};
    }

    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto found = co_await parts_->reader->ask(
            [](RunQueries& queries) { return queries.definitions({}); });
        if (!found) co_return problem_of(found.error());
        const auto counts =
            co_await parts_->reader->ask([](RunQueries& queries) { return queries.counts(); });
        if (!counts) co_return problem_of(counts.error());
        std::map<std::string, json::object> counted;
        for (const auto& one : *counts)
            counted[one.workflow][core::word_of(one.status)] = one.count;
        json::array all;
        for (const auto& one : *found) {
            json::object entry{{"name", one.name}};
            for (auto& member : version_json(one))
                entry[member.key()] = std::move(member.value());
            entry["paused"] = pause_of(one.name);
            entry["counts"] = counted[one.name];
            all.push_back(std::move(entry));
        }
        co_return page_of(*wish, std::move(all));
    }

    // Every version, newest first; none: there is no such workflow.
    awaitable<Outcome<std::vector<StoredDefinition>>> versions_of(std::string name) {
        if (name.empty()) co_return std::vector<StoredDefinition>{};
        co_return co_await parts_->reader->ask(
            [name](RunQueries& queries) { return queries.definitions(name); });
    }

    // The one that is live, or the newest where none is.
    static const StoredDefinition& chosen(const std::vector<StoredDefinition>& versions) {
        for (const auto& one : versions)
            if (one.is_live) return one;
        return versions.front();
    }

    static const StoredDefinition* version_in(const std::vector<StoredDefinition>& versions,
                                              std::string_view number) {
        if (number.empty()) return &chosen(versions);
        const auto wanted = number_from<std::uint32_t>(number);
        for (const auto& one : versions)
            if (wanted && one.version == *wanted) return &one;
        return nullptr;
    }

    static Response no_version(std::string_view name, std::string_view number) {
        return problem(404, "not_found",
                       fmt::format("no version '{}' of '{}'", as_utf8(number), as_utf8(name)));
    }

    static json::object whole_json(const StoredDefinition& one) {
        json::object out{{"name", one.name}};
        for (auto& member : version_json(one))
            out[member.key()] = std::move(member.value());
        out["source"] = one.source;
        const auto loaded = definition::load(one.source, one.file_name);
        out["input_schema"] =
            loaded ? json::value(input_schema(*loaded.workflow)) : json::value(nullptr);
        out["description"] = loaded ? loaded.workflow->description : "";
        return out;
    }

    awaitable<Response> show(Request request, Parameters parameters) {
        const auto& name = parameters.at("workflow");
        const auto versions = co_await versions_of(name);
        if (!versions) co_return problem_of(versions.error());
        if (versions->empty()) co_return no_workflow(name);
        const StoredDefinition& one = chosen(*versions);
        json::object out = whole_json(one);
        out["paused"] = pause_of(name);
        json::array all;
        for (const auto& each : *versions)
            all.push_back(version_json(each));
        out["versions"] = std::move(all);
        Response response = reply(200, out);
        // A pause changes the answer and not the hash.
        response.headers["ETag"] = "\"" + tag_of(one) + "\"";
        co_return response;
    }

    awaitable<Response> version(Request request, Parameters parameters) {
        const auto& name = parameters.at("workflow");
        const auto versions = co_await versions_of(name);
        if (!versions) co_return problem_of(versions.error());
        const auto* one = version_in(*versions, parameters.at("version"));
        if (versions->empty()) co_return no_workflow(name);
        if (one == nullptr) co_return no_version(name, parameters.at("version"));
        co_return tagged(request, reply(200, whole_json(*one)),
                         tag_of(*one) + (one->is_live ? "-live" : ""));
    }

    awaitable<Response> graph(Request request, Parameters parameters) {
        const auto& name = parameters.at("workflow");
        const auto versions = co_await versions_of(name);
        if (!versions) co_return problem_of(versions.error());
        if (versions->empty()) co_return no_workflow(name);
        const auto* one = version_in(*versions, parameter(request, "version"));
        if (one == nullptr) co_return no_version(name, parameter(request, "version"));
        const auto loaded = definition::load(one->source, one->file_name);
        if (!loaded)
            co_return problem(409, "refused",
                              "this version of the program does not understand the workflow");
        json::object out = graph_json(*loaded.workflow);
        out["version"] = one->version;
        co_return tagged(request, reply(200, out), tag_of(*one));
    }

    awaitable<Response> diff(Request request, Parameters parameters) {
        const auto& name = parameters.at("workflow");
        const auto versions = co_await versions_of(name);
        if (!versions) co_return problem_of(versions.error());
        if (versions->empty()) co_return no_workflow(name);
        const auto from = parameter(request, "from"), to = parameter(request, "to");
        const auto* here = version_in(*versions, from);
        const auto* there = version_in(*versions, to);
        if (here == nullptr || there == nullptr)
            co_return no_version(name, here == nullptr ? from : to);
        json::array lines;
        for (const DiffLine& line : diff_of(here->source, there->source))
            lines.push_back(json::object{
                {"op", std::string(1, line.op)},
                {"a", line.here == 0 ? json::value(nullptr) : json::value(line.here)},
                {"b", line.there == 0 ? json::value(nullptr) : json::value(line.there)},
                {"text", line.text}});
        co_return reply(200, json::object{{"from", here->version},
                                          {"to", there->version},
                                          {"lines", std::move(lines)}});
    }

    awaitable<Response> check(Request request, Parameters) {
        const auto sent = sent_in(request, "workflow.toml");
        if (!sent) co_return problem(400, "bad_request", sent.error().detail);
        const auto loaded = definition::load(sent->source, sent->file);
        json::object out;
        out["ok"] = static_cast<bool>(loaded);
        out["name"] = loaded ? json::value(loaded.workflow->name) : json::value(nullptr);
        out["diagnostics"] = diagnostics_json(loaded.diagnostics);
        out["graph"] = loaded ? json::value(graph_json(*loaded.workflow)) : json::value(nullptr);
        out["input_schema"] =
            loaded ? json::value(input_schema(*loaded.workflow)) : json::value(nullptr);
        co_return reply(200, out);
    }

    awaitable<Response> deploy(Request request, Parameters parameters) {
        const auto& name = parameters.at("workflow");
        const auto sent = sent_in(request, name + ".toml");
        if (!sent) co_return problem(400, "bad_request", sent.error().detail);
        const auto loaded = definition::load(sent->source, sent->file);
        if (!loaded)
            co_return problem_at(422, "bad_definition",
                                 definition::render(loaded.diagnostics, sent->source),
                                 diagnostics_json(loaded.diagnostics));
        if (loaded.workflow->name != name)
            co_return problem(422, "bad_definition",
                              fmt::format("the file is of a workflow '{}', the path names '{}'",
                                          loaded.workflow->name, as_utf8(name)));
        std::optional<std::uint64_t> only_over;
        if (auto refusal = co_await refuses_stale(request, name, only_over))
            co_return std::move(*refusal);
        co_return co_await told_stale(co_await deploy_source(sent->source, sent->file, only_over),
                                      name);
    }

    // Another version is live than the one that the asker has seen? Else `only_over` is that one:
    // the store looks once more when it saves, since others deploy, too.
    awaitable<std::optional<Response>> refuses_stale(const Request& request, std::string name,
                                                     std::optional<std::uint64_t>& only_over) {
        if (request.if_match.empty()) co_return std::nullopt;
        const auto versions = co_await versions_of(name);
        if (!versions) co_return problem_of(versions.error());
        if (versions->empty()) co_return problem(412, "stale", runtime::stale_deploy);
        if (is_stale(request, tag_of(chosen(*versions)))) co_return with_tag_of(*versions);
        if (!names_any(request)) only_over = chosen(*versions).definition_id;
        co_return std::nullopt;
    }

    static Response with_tag_of(const std::vector<StoredDefinition>& versions) {
        Response stale = problem(412, "stale", runtime::stale_deploy);
        stale.headers["ETag"] = "\"" + tag_of(chosen(versions)) + "\"";
        return stale;
    }

    // With the tag of what is live now, as who was refused at once gets it.
    awaitable<Response> told_stale(Response answer, std::string name) {
        if (answer.status != 412) co_return answer;
        const auto versions = co_await versions_of(name);
        co_return versions && !versions->empty() ? with_tag_of(*versions) : std::move(answer);
    }

    awaitable<Response> deploy_source(std::string source, std::string file,
                                      std::optional<std::uint64_t> only_over) {
        const auto ask = [this, source, file, only_over](auto callback, auto claim) {
            parts_->engine->deploy(source, file, callback, claim, only_over);
        };
        const auto tell = [](const Outcome<runtime::Deployed>& done) {
            return reply(done->is_new ? 201 : 200, json::object{{"workflow", done->name},
                                                                {"version", done->version},
                                                                {"new", done->is_new},
                                                                {"queues", done->has_queues}});
        };
        co_return co_await change<runtime::Deployed>(ask, tell,
                                                     "it is deployed when the database is back");
    }

    // The same text again makes its old version live again.
    awaitable<Response> roll_back(Request request, Parameters parameters) {
        const auto& name = parameters.at("workflow");
        const auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {}, {"version"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        ErrorCode error;
        const auto* given = body->if_contains("version");
        const auto number = given == nullptr ? 0 : given->to_number<std::uint32_t>(error);
        if (error || number == 0)
            co_return problem(400, "bad_request", "'version' must be the number of a version");
        const auto versions = co_await versions_of(name);
        if (!versions) co_return problem_of(versions.error());
        if (versions->empty()) co_return no_workflow(name);
        const auto* one = version_in(*versions, std::to_string(number));
        if (one == nullptr) co_return no_version(name, std::to_string(number));
        std::optional<std::uint64_t> only_over;
        if (auto refusal = co_await refuses_stale(request, name, only_over))
            co_return std::move(*refusal);
        co_return co_await told_stale(
            co_await deploy_source(one->source, one->file_name, only_over), name);
    }

    std::shared_ptr<const ApiParts> parts_;
    RouteHandler undeploy_;
    RouteHandler pause_;
    RouteHandler resume_;
};

} // namespace

void add_v1_workflow_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Workflows::add_routes(routes, std::make_shared<V1Workflows>(routes, parts));
}

} // namespace baton::web
