// HTTP calls as tasks, to targets that the operator has named: a workflow cannot reach anything else,
// and never sees a secret.
//
//   http.call   {target, path, method?, query?, headers?, body? | form? | text?, expect?, pages?}
//               → {status, body | text}; with pages {status, items}
//
// `body` is sent as JSON. `expect` lists the statuses that are a success (200 to 299). `pages` collects
// a long list: {items: "/users", next: "/links/next"} follows a URL or path in the answer, {items,
// parameter: "page", first: 1, step: 1} counts until a page is empty; at most `most` pages (100).
//
// What was sent and not answered may have happened. A GET, PUT, DELETE is simply tried again; a POST or
// PATCH only where the target knows an idempotency header, else it fails as `unknown_outcome`.
#pragma once

#include "base/result.hpp"
#include "workers/attachments.hpp"
#include "workers/handler.hpp"
#include "workers/http/http_client.hpp"

#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <vector>

namespace baton::workers::http_call {

struct Target {
    std::string name;
    std::string url;                                   // calls stay below it
    std::map<std::string, std::string> headers = {};   // with each call; holds the secret, too
    std::vector<std::string> methods = {};             // that may be called; empty: all
    std::string idempotency_header = {};               // gets the task's idempotency key
    boost::json::value answer_schema = nullptr;        // a JSON Schema that bodies must satisfy
    http::Limits limits = {};
};

struct Settings {
    std::map<std::string, Target> targets;
};

// The list under "target" of a workers' file. Reads the secrets' files. The failure says what is wrong,
// a complaint a line.
Outcome<Settings> read_settings(const boost::json::value& targets, const http::Limits& limits);

std::vector<Handler> make_handlers(const Settings& settings);

// For tasks of other workers that take files: GET below one of the targets. Empty if there is none.
FetchFile files_of(const Settings& settings);

} // namespace baton::workers::http_call
