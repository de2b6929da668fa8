// A target's rules around one call, or a call a page.
#include "workers/http_call/http_call.hpp"

#include "base/json_schema.hpp"
#include "base/json_text.hpp"
#include "base/named_file.hpp"
#include "base/utf8.hpp"
#include "workers/members.hpp"

#include <boost/json.hpp>
#include <boost/url/parse.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

namespace baton::workers::http_call {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 5> known_methods = {"GET", "POST", "PUT", "PATCH", "DELETE"};
constexpr std::int64_t pages_most = 1000;
constexpr std::size_t told_bytes_max = 500;

struct Known {
    Target target;
    std::optional<JsonSchema> schema;
};
using Targets = std::map<std::string, Known>;

struct Pages {
    std::string items;         // JSON pointers
    std::string next;
    std::string parameter;
    std::int64_t first = 1;
    std::int64_t step = 1;
    std::int64_t most = 100;
};

struct Call {
    const Known* known = nullptr;
    http::Request request;
    std::string path;
    std::string query;
    std::set<int> expect;
    std::optional<Pages> pages;
    bool may_repeat = true;
};

bool is_expected(const Call& call, int status) {
    return call.expect.empty() ? status >= 200 && status < 300 : call.expect.contains(status);
}

// --- what is asked for ------------------------------------------------------------------------------

bool is_one_line(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

// Below the target's URL, and not out of it again.
std::optional<std::string> url_of(const Target& target, std::string_view path, std::string_view query) {
    while (path.starts_with('/')) path.remove_prefix(1);
    if (path.find_first_of("?#\\") != std::string_view::npos) return std::nullopt;
    for (std::string_view rest = path; !rest.empty();) {
        const std::string_view segment = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), segment.size() + 1));
        const auto parsed = boost::urls::make_pct_string_view(segment);
        if (!parsed || segment.find(' ') != std::string_view::npos) return std::nullopt;
        const std::string plain = parsed->decode();
        if (plain == "." || plain == ".." || !is_one_line(plain)) return std::nullopt;
    }
    std::string url = target.url;
    if (!url.ends_with('/')) url += '/';
    url += path;
    if (!query.empty()) url += "?" + std::string(query);
    return url;
}

std::string scalar_text(const json::value& value) {
    return value.is_string() ? std::string(value.get_string()) : write_json(value);
}

std::string encoded(const json::object& fields, Parameters& parameters, std::string_view name) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& field : fields) {
        if (field.value().is_array()) {
            for (const json::value& one : field.value().get_array()) all.emplace_back(field.key(), scalar_text(one));
        } else if (field.value().is_object()) {
            parameters.complain(fmt::format("'{}.{}' must be a text, a number or a list of them", name,
                                            std::string_view(field.key())));
        } else if (!field.value().is_null()) {
            all.emplace_back(field.key(), scalar_text(field.value()));
        }
    }
    return http::form_encoded(all);
}

const json::object* table(const json::object& with, std::string_view name, Parameters& parameters) {
    const json::value* value = with.if_contains(name);
    if (value == nullptr || value->is_null()) return nullptr;
    if (value->is_object()) return &value->get_object();
    parameters.complain(fmt::format("'{}' must be a table", name));
    return nullptr;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
    });
}

bool is_same_name(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
    });
}

// The target's own spans become part of the run's trace; a header that somebody chose stays as it is.
void add_trace(const contract::TaskRequest& task, Call& call) {
    const auto has = [&call](std::string_view name) {
        return std::ranges::any_of(call.request.headers, [name](const auto& one) { return is_same_name(one.first, name); });
    };
    if (task.traceparent.empty() || has("traceparent")) return;
    call.request.headers.emplace_back("traceparent", task.traceparent);
    if (!task.tracestate.empty() && is_one_line(task.tracestate)) call.request.headers.emplace_back("tracestate", task.tracestate);
}

void add_headers(const json::object& with, Call& call, Parameters& parameters) {
    const json::object* headers = table(with, "headers", parameters);
    if (headers == nullptr) return;
    for (const auto& header : *headers) {
        const std::string text = scalar_text(header.value());
        const std::string name(header.key());
        const auto same = [&](const auto& fixed) { return is_same_name(fixed.first, name); };
        if (!is_token(name) || !is_one_line(text))
            parameters.complain(fmt::format("'headers.{}' is no header", name));
        else if (std::any_of(call.known->target.headers.begin(), call.known->target.headers.end(), same))
            parameters.complain(fmt::format("'headers.{}' is set by the target's configuration", name));
        else
            call.request.headers.emplace_back(name, text);
    }
}

void add_body(const json::object& with, Call& call, Parameters& parameters) {
    int bodies = 0;
    if (const json::value* body = with.if_contains("body"); body && !body->is_null()) {
        ++bodies;
        call.request.body = write_json(*body);
        call.request.headers.emplace_back("Content-Type", "application/json");
    }
    if (const json::object* form = table(with, "form", parameters)) {
        ++bodies;
        call.request.body = encoded(*form, parameters, "form");
        call.request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    }
    if (const std::string text = parameters.text("text"); !text.empty()) {
        ++bodies;
        call.request.body = text;
        call.request.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    }
    if (bodies > 1) parameters.complain("only one of 'body', 'form' and 'text' can be sent");
    if (bodies > 0 && call.request.method == "GET") parameters.complain("GET has no body");
}

void add_expected(const json::object& with, Call& call, Parameters& parameters) {
    const json::value* expect = with.if_contains("expect");
    if (expect == nullptr || expect->is_null()) return;
    const json::array one = {*expect};
    for (const json::value& status : expect->is_array() ? expect->get_array() : one) {
        if (status.is_int64() && status.get_int64() >= 100 && status.get_int64() <= 599)
            call.expect.insert(static_cast<int>(status.get_int64()));
        else
            parameters.complain("'expect' must be a status, 100 to 599, or a list of them");
    }
}

void add_pages(const json::object& with, Call& call, Parameters& parameters) {
    const json::object* pages = table(with, "pages", parameters);
    if (pages == nullptr) return;
    Parameters inner(*pages);
    constexpr std::array<std::string_view, 6> names = {"items", "next", "parameter", "first", "step", "most"};
    inner.only(names);
    Pages wanted;
    wanted.items = inner.text("items");
    wanted.next = inner.text("next");
    wanted.parameter = inner.text("parameter");
    wanted.first = inner.number("first", 1);
    wanted.step = inner.number("step", 1);
    wanted.most = inner.number("most", 100);
    if (wanted.next.empty() == wanted.parameter.empty())
        inner.complain("'pages' needs one of 'next' and 'parameter'");
    for (const std::string* pointer : {&wanted.items, &wanted.next})
        if (!pointer->empty() && !pointer->starts_with('/'))
            inner.complain(fmt::format("'{}' must be a JSON pointer, for example /users", *pointer));
    if (wanted.most < 1 || wanted.most > pages_most) inner.complain(fmt::format("'most' must be 1 to {}", pages_most));
    if (wanted.step < 1) inner.complain("'step' must be at least 1");
    if (inner.is_bad()) parameters.complain("pages: " + inner.problem().detail);
    if (call.request.method != "GET") parameters.complain("only GET has pages");
    call.pages = wanted;
}

boost::system::result<Call, contract::Problem> read_call(const Targets& targets, const Task& task) {
    Parameters parameters(task.with);
    Call call;
    const std::string name = parameters.required_text("target");
    const auto found = targets.find(name);
    if (found == targets.end()) {
        std::string all;
        for (const auto& [known, target] : targets) all += (all.empty() ? "" : ", ") + known;
        if (!name.empty()) parameters.complain(fmt::format("there is no target '{}'; known are {}", name, all));
        return parameters.problem();
    }
    call.known = &found->second;
    const Target& target = call.known->target;
    call.request.method = parameters.text("method", "GET");
    if (std::find(known_methods.begin(), known_methods.end(), call.request.method) == known_methods.end())
        parameters.complain(fmt::format("'method' must be one of {}", fmt::join(known_methods, ", ")));
    else if (!target.methods.empty() &&
             std::find(target.methods.begin(), target.methods.end(), call.request.method) == target.methods.end())
        parameters.complain(fmt::format("target '{}' allows {} only", name, fmt::join(target.methods, ", ")));
    call.path = parameters.text("path");
    if (const json::object* query = table(task.with, "query", parameters))
        call.query = encoded(*query, parameters, "query");
    const auto url = url_of(target, call.path, call.query);
    if (url)
        call.request.url = *url;
    else
        parameters.complain(fmt::format("'path' must be a plain path below the target, not '{}'", call.path));
    add_headers(task.with, call, parameters);
    add_body(task.with, call, parameters);
    add_expected(task.with, call, parameters);
    add_pages(task.with, call, parameters);
    if (parameters.is_bad()) return parameters.problem();
    for (const auto& [header, value] : target.headers) call.request.headers.emplace_back(header, value);
    add_trace(task.request, call);
    call.may_repeat = call.request.method != "POST" && call.request.method != "PATCH";
    if (!target.idempotency_header.empty() && !task.request.idempotency_key.empty()) {
        call.request.headers.emplace_back(target.idempotency_header, task.request.idempotency_key);
        call.may_repeat = true;
    }
    return call;
}

// --- what comes back ----------------------------------------------------------------------------------

// What the target says of itself, if it speaks JSON.
void add_words(const http::Response& response, contract::Problem& problem) {
    if (const auto body = read_json(response.body); body && body->is_object()) {
        problem.data = write_json(*body);
        for (const char* member : {"detail", "message", "error", "title"})
            if (const json::value* words = body->get_object().if_contains(member); words && words->is_string()) {
                problem.detail += ": " + std::string(words->get_string());
                return;
            }
        return;
    }
    if (!response.body.empty()) problem.detail += ": " + as_utf8(response.body.substr(0, told_bytes_max));
}

contract::Problem refusal(const std::string& system, const http::Response& response) {
    const int status = response.status;
    const std::string detail = fmt::format("{} answered with status {}", system, status);
    contract::Problem problem;
    if (status == 401 || status == 403 || status == 407)
        problem = configuration("unauthorized", detail);
    else if (status >= 300 && status < 400)
        problem = configuration("redirected", detail + "; the target's URL must be where it leads");
    else if (status == 408 || status == 425 || status >= 500)
        problem = temporary("unavailable", detail, response.retry_after);
    else if (status == 404 || status == 410)
        problem = permanent("not_found", detail);
    else if (status == 409 || status == 412)
        problem = permanent("conflict", detail);
    else
        problem = permanent("refused", detail);
    problem.status = status;
    add_words(response, problem);
    return problem;
}

std::optional<contract::Problem> problem_of(const Call& call, const http::Response& response) {
    if (response.trouble == http::Trouble::none && is_expected(call, response.status)) return std::nullopt;
    const std::string& system = call.known->target.name;
    auto problem = http::common_problem(system, response);
    if (!problem) problem = refusal(system, response);
    // 503 and 429 come from who did not even begin.
    const bool is_unknown = response.may_have_happened || response.status == 500 || response.status == 502 ||
                            response.status == 504;
    if (is_unknown && !call.may_repeat && problem->retryable) {
        contract::Problem unknown = permanent(
            "unknown_outcome", fmt::format("{}; the call may have happened, so it is not repeated: look at the target", problem->detail),
            problem->status);
        unknown.data = problem->data;
        return unknown;
    }
    return problem;
}

bool is_empty(const json::value& items) {
    return items.is_null() || (items.is_array() && items.get_array().empty());
}

const json::value* part(const json::value& body, const std::string& pointer) {
    ErrorCode missing;
    return pointer.empty() ? &body : body.find_pointer(pointer, missing);
}

Answer read_body(const Call& call, const http::Response& response) {
    const bool wants_json = call.pages || call.known->schema;
    auto body = read_json(response.body);
    if (!body) {
        if (wants_json)
            return temporary("bad_answer", fmt::format("{} answered with something that is no JSON ({})",
                                                       call.known->target.name, body.error().detail));
        return json::value{{"status", response.status}, {"text", as_utf8(response.body)}};
    }
    if (call.known->schema)
        if (const auto mismatch = call.known->schema->mismatch(*body))
            return permanent("bad_answer", fmt::format("{}'s answer is not as its schema says: {}",
                                                       call.known->target.name, *mismatch));
    return json::value{{"status", response.status}, {"body", std::move(*body)}};
}

struct NextPage {
    std::string url; // empty: there is none
};

// A failure: the answer leads somewhere else.
boost::system::result<NextPage, contract::Problem> next_page(const Call& call, const json::value& body) {
    const json::value* next = part(body, call.pages->next);
    if (next == nullptr || !next->is_string() || next->get_string().empty()) return NextPage{};
    const std::string url(next->get_string());
    std::string base = call.known->target.url;
    if (!base.ends_with('/')) base += '/';
    if (url.starts_with(base)) return NextPage{url};
    const auto parsed = boost::urls::parse_uri_reference(url);
    const auto origin = boost::urls::parse_uri(base);
    if (parsed && origin && !parsed->has_scheme() && !parsed->has_authority() && url.starts_with('/')) {
        const std::string whole = fmt::format("{}://{}{}", std::string(origin->scheme()),
                                              std::string(origin->encoded_authority()), url);
        if (whole.starts_with(base)) return NextPage{whole};
    }
    return permanent("bad_answer", fmt::format("{}'s next page '{}' is not below the target", call.known->target.name, url));
}

Answer perform_pages(Call call, const Task& task) {
    json::array items;
    const Pages& pages = *call.pages;
    std::int64_t number = pages.first;
    int status = 0;
    for (std::int64_t page = 0;; ++page) {
        if (page == pages.most)
            return permanent("too_many_pages", fmt::format("there are more than {} pages; raise pages.most", pages.most));
        if (task.is_cancelled && task.is_cancelled()) return temporary("cancelled", "nobody waits for it any more");
        if (!pages.parameter.empty()) {
            const std::string counted = http::form_encoded({{pages.parameter, std::to_string(number)}});
            call.request.url = *url_of(call.known->target, call.path,
                                       call.query.empty() ? counted : call.query + "&" + counted);
            number += pages.step;
        }
        const http::Response response = http::perform(call.request, call.known->target.limits);
        if (auto problem = problem_of(call, response)) return *problem;
        const Answer read = read_body(call, response);
        if (!read) return read;
        const json::value& body = read->at("body");
        status = response.status;
        const json::value* found = part(body, pages.items);
        if (found == nullptr || !found->is_array())
            return permanent("bad_answer", fmt::format("{}'s answer has no list at '{}'", call.known->target.name, pages.items));
        items.insert(items.end(), found->get_array().begin(), found->get_array().end());
        if (!pages.parameter.empty()) {
            if (is_empty(*found)) break;
            continue;
        }
        auto next = next_page(call, body);
        if (!next) return next.error();
        if (next->url.empty()) break;
        call.request.url = std::move(next->url);
    }
    return json::value{{"status", status}, {"items", std::move(items)}};
}

Answer perform(const Targets& targets, const Task& task) {
    auto call = read_call(targets, task);
    if (!call) return call.error();
    if (call->pages) return perform_pages(std::move(*call), task);
    const http::Response response = http::perform(call->request, call->known->target.limits);
    if (auto problem = problem_of(*call, response)) return *problem;
    if (response.body.empty()) return json::value{{"status", response.status}, {"body", nullptr}};
    return read_body(*call, response);
}

// --- files for other tasks ----------------------------------------------------------------------------

std::string names_of(const std::map<std::string, Target>& targets) {
    std::string all;
    for (const auto& [name, target] : targets) all += (all.empty() ? "" : ", ") + name;
    return all;
}

contract::Problem no_file(const FileSource& source, const http::Response& response) {
    const std::string what = fmt::format("the file '{}' of {}", source.path, source.target);
    if (response.trouble == http::Trouble::too_large)
        return permanent("file_too_large", what + " is larger than what all attachments together may have (20 MiB)", 413);
    if (response.trouble == http::Trouble::none && (response.status == 404 || response.status == 410))
        return permanent("file_not_found", what + " is not there", response.status);
    const auto common = http::common_problem(source.target, response);
    contract::Problem problem = temporary(
        "file_unavailable", common ? fmt::format("{}: {}", what, common->detail)
                                   : fmt::format("{}: its server answered with status {}", what, response.status),
        response.retry_after);
    problem.status = response.status;
    return problem;
}

boost::system::result<FetchedFile, contract::Problem> get_file(const std::map<std::string, Target>& targets, const FileSource& source,
                                                               std::size_t bytes_max) {
    const auto found = targets.find(source.target);
    if (found == targets.end())
        return permanent("invalid_input", fmt::format("there is no target '{}'; known are {}", source.target, names_of(targets)));
    const Target& target = found->second;
    if (!target.methods.empty() && std::find(target.methods.begin(), target.methods.end(), "GET") == target.methods.end())
        return permanent("invalid_input", fmt::format("target '{}' allows {} only", source.target, fmt::join(target.methods, ", ")));
    const auto url = url_of(target, source.path, {});
    if (!url) return permanent("invalid_input", fmt::format("'path' must be a plain path below the target, not '{}'", source.path));
    http::Request request;
    request.url = *url;
    for (const auto& [header, value] : target.headers) request.headers.emplace_back(header, value);
    http::Limits limits = target.limits;
    limits.body_bytes_max = bytes_max;
    http::Response response = http::perform(request, limits);
    if (response.trouble != http::Trouble::none || response.status != 200) return no_file(source, response);
    return FetchedFile{std::move(response.body), std::move(response.content_type)};
}

// --- the operator's file --------------------------------------------------------------------------------

std::string base64(const std::string& text) {
    std::vector<unsigned char> out(4 * (text.size() / 3 + 1) + 1);
    const int size = EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    return {out.begin(), out.begin() + size};
}

std::string read_secret(Members& members) {
    const std::string given = members.text("secret");
    const std::string path = members.text("secret_file");
    if (path.empty()) return given;
    const auto content = read_named_file(path, settings_file_bytes_max);
    if (!content) {
        members.complain(fmt::format("'secret_file': cannot read {}: {}", path, content.error().detail));
        return {};
    }
    return content->substr(0, content->find_first_of("\r\n"));
}

void read_auth(Members& members, Target& target) {
    const std::string auth = members.text("auth");
    const std::string user = members.text("user");
    const std::string header = members.text("header");
    const std::string secret = read_secret(members);
    if (!auth.empty() && secret.empty()) members.complain("'auth' needs 'secret_file' (or 'secret')");
    if (!is_one_line(secret)) members.complain("the secret has characters that no header can hold");
    if (auth == "bearer")
        target.headers["Authorization"] = "Bearer " + secret;
    else if (auth == "basic")
        target.headers["Authorization"] = "Basic " + base64(user + ":" + secret);
    else if (auth == "header" && is_token(header))
        target.headers[header] = secret;
    else if (auth == "header")
        members.complain("auth = \"header\" needs 'header', the header's name");
    else if (!auth.empty())
        members.complain("'auth' must be bearer, basic or header");
    else if (!secret.empty())
        members.complain("a secret needs 'auth' (bearer, basic, header)");
}

Target read_target(Members& members, const http::Limits& limits) {
    Target target;
    target.limits = limits;
    target.name = members.text("name");
    target.url = members.text("url");
    target.headers = members.text_table("headers");
    for (const auto& [header, value] : target.headers)
        if (!is_token(header) || !is_one_line(value)) members.complain(fmt::format("'headers.{}' is no header", header));
    target.methods = members.texts("methods");
    target.idempotency_header = members.text("idempotency_header");
    if (!target.idempotency_header.empty() && !is_token(target.idempotency_header))
        members.complain("'idempotency_header' is no header's name");
    target.limits.total = std::chrono::seconds(members.number(
        "timeout_seconds", 1, 3600, std::chrono::duration_cast<std::chrono::seconds>(limits.total).count()));
    if (const std::string ca = members.text("ca_file"); !ca.empty()) target.limits.ca_file = ca;
    if (const json::value* schema = members.any("schema")) target.answer_schema = *schema;
    read_auth(members, target);
    if (target.name.empty()) members.complain("needs a name");
    const auto parsed = boost::urls::parse_uri(target.url);
    if (!parsed || (parsed->scheme() != "http" && parsed->scheme() != "https") || parsed->has_query() ||
        parsed->has_fragment() || parsed->has_userinfo())
        members.complain("'url' must be http:// or https:// with a host and perhaps a path, nothing else");
    members.finish();
    return target;
}

} // namespace

Outcome<Settings> read_settings(const json::value& targets, const http::Limits& limits) {
    Settings settings;
    std::string complaints;
    const auto invalid = [](std::string detail) {
        return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
    };
    if (!targets.is_array()) return invalid("'target' must be a list of tables");
    for (std::size_t i = 0; i < targets.get_array().size(); ++i) {
        Members members(targets.get_array()[i], fmt::format("target {}", i + 1), complaints);
        Target target = read_target(members, limits);
        if (!target.answer_schema.is_null())
            if (const auto schema = JsonSchema::read(target.answer_schema); !schema)
                members.complain("'schema': " + schema.error().detail);
        const std::string name = target.name;
        if (!settings.targets.emplace(name, std::move(target)).second)
            members.complain(fmt::format("there are two targets '{}'", name));
    }
    if (!complaints.empty()) return invalid(complaints);
    return settings;
}

std::vector<Handler> make_handlers(const Settings& settings) {
    const auto targets = std::make_shared<Targets>();
    for (const auto& [name, target] : settings.targets) {
        Known known{target, std::nullopt};
        // read_settings() has read it once already.
        if (!target.answer_schema.is_null())
            if (auto schema = JsonSchema::read(target.answer_schema)) known.schema = std::move(*schema);
        targets->emplace(name, std::move(known));
    }
    return {only_with({"target", "path", "method", "query", "headers", "body", "form", "text", "expect", "pages"},
                      {"http.call", [targets](const Task& task) { return perform(*targets, task); }, {}, {},
                       [](const json::object& with) {
                           const json::value* target = with.if_contains("target");
                           return target && target->is_string() ? std::string(target->get_string()) : std::string();
                       }})};
}

FetchFile files_of(const Settings& settings) {
    if (settings.targets.empty()) return {};
    return [targets = std::make_shared<const std::map<std::string, Target>>(settings.targets)](const FileSource& source, std::size_t bytes_max) {
        return get_file(*targets, source, bytes_max);
    };
}

} // namespace baton::workers::http_call
