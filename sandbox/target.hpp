// What the stand-ins of the three target systems have in common: a table of routes, a way to check
// the caller's key and a way to say no. Each target decides over plain values; HTTP, faults and
// waiting are http_service's.
#pragma once

#include "sandbox/http_types.hpp"
#include "sandbox/options.hpp"
#include "sandbox/world.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::sandbox {

struct Call {
    World& world;
    const Request& request;
    const Options& options;
    std::vector<std::string> parameters;   // what stood for each {} of the pattern
    bool checks_uniqueness = true;
    // Only look whether the call would be refused; a reply with status 0 says that it would not.
    bool is_rehearsal = false;
};

struct Route {
    std::string_view method;
    std::string_view pattern;              // "/users/{}.json"
    std::string_view operation;            // name for faults and counts: "redmine.update_user"
    Reply (*perform)(Call& call);
};

struct Target {
    std::string_view prefix;               // "/redmine"
    std::span<const Route> routes;
    std::optional<Reply> (*refuse_stranger)(const Call& call);
    Reply (*refuse_with)(std::string_view error);   // the target's own way to say no
    Reply (*unknown_route)();
};

const Target& mailcow_target();
const Target& redmine_target();
const Target& slack_target();

// The names of all calls, for faults: the targets' routes and the steps of the mail dialogue.
std::vector<std::string_view> all_operations();

// "2026-11-21T12:00:00Z": the stand-ins stamp what they store.
std::string stamp();

} // namespace baton::sandbox
