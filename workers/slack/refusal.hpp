// What Slack's error words mean for a task. Slack says no with HTTP 200 and a word; the word becomes the
// problem's type as it is. A word that is not in the table fails for good. README.md has the table, written by
// tests/workers/slack_errors_test.cpp.
#pragma once

#include "contract/task_message.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace baton::workers::slack {

enum class Meaning {
    for_good,         // the same request is refused again
    again,            // trouble at Slack's side, and perhaps after the effect
    not_now,          // refused before anything was done; all tasks of this worker wait
    configuration,    // the token: an operator must look, no task's fault; all tasks of this worker wait
    right,            // as that, about this one call: the token's scopes, its owner's rights, the plan
};

struct Word {
    std::string_view word;
    Meaning meaning;
    std::string_view advice;                     // for people; may be empty
};

std::span<const Word> known_words();
Meaning meaning_of(std::string_view word);

// `body` is Slack's answer: it names the scope that is missing.
contract::Problem problem_of(std::string_view method, std::string_view word, const boost::json::object& body,
                             std::optional<Duration> retry_after);

} // namespace baton::workers::slack
