// What open runs wait for from outside: signals, events, people, a time. The store has no list of
// it: of workflows whose files have a step of the kind, the open runs are looked at, each once for
// each state it is in. On the web's thread.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/run_story.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_look.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

struct OpenWait {
    std::string run;
    std::string workflow;
    std::string step;
    std::string kind;             // signal, event, approval, first_of, timer
    boost::json::object wanted{}; // as the step's waits_for; empty: a time
    std::optional<Time> since{};
    std::optional<Time> until{};
    boost::json::value form{}; // of an approval: JSON Schema of what is filled in; null: nothing
};

struct OpenWaitList {
    std::vector<OpenWait> waits; // of one workflow after the other, the newest run first
    bool is_whole = true;        // else only the newest runs were looked at
};

class OpenWaits {
public:
    explicit OpenWaits(std::shared_ptr<const ApiParts> parts)
        : parts_(parts), looker_(std::move(parts)) {}

    // Of workflows whose files say one of these words.
    boost::asio::awaitable<Outcome<OpenWaitList>> look(std::vector<std::string> words);

private:
    struct Runs {
        std::vector<orchestrator::runtime::StoredRun> runs;
        bool is_whole = true;
    };
    struct Seen {
        std::uint64_t version = 0;
        std::vector<OpenWait> waits;
    };

    boost::asio::awaitable<Outcome<Runs>> open_runs(std::vector<std::string> words);
    boost::asio::awaitable<Outcome<std::vector<OpenWait>>>
    waits_of(const orchestrator::runtime::StoredRun& run);

    std::shared_ptr<const ApiParts> parts_;
    RunLooker looker_;
    std::map<std::string, Seen> seen_; // by run
};

// The approval that a wait asks for, alone or as one of several ways; nullptr: it asks nobody.
const boost::json::object* approval_in(const OpenWait& wait);

} // namespace baton::web
