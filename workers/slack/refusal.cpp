// The table of words.
#include "workers/slack/refusal.hpp"

#include "workers/handler.hpp"
#include "workers/slack/client.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <array>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

// Slack limits an organisation, and moves workspaces, for longer than a moment.
constexpr Duration pause_of_migration = std::chrono::seconds(60);

constexpr std::string_view new_token = "give BATON_SLACK_TOKEN a token that works";
constexpr std::string_view other_token = "this call needs a token of another kind: BATON_SLACK_ADMIN_TOKEN is used for people";
constexpr std::string_view other_plan = "the workspace's plan has no such call: see BATON_SLACK_MODE";
constexpr std::string_view an_administrator = "whoever installed the app must be an administrator with that right";

constexpr std::array refusal_words = {
    Word{"ratelimited", Meaning::not_now, "waits as long as `Retry-After` says"},
    Word{"rate_limited", Meaning::not_now, "waits as long as `Retry-After` says"},
    Word{"team_added_to_org", Meaning::not_now, "the workspace is being moved"},
    Word{"fatal_error", Meaning::again, ""},
    Word{"internal_error", Meaning::again, ""},
    Word{"service_unavailable", Meaning::again, ""},
    Word{"request_timeout", Meaning::again, ""},
    Word{"failed_looking_up_user", Meaning::again, ""},
    Word{"failed_to_send_invite", Meaning::again, ""},
    Word{"external_channel_migrating", Meaning::again, ""},
    Word{"not_authed", Meaning::configuration, new_token},
    Word{"invalid_auth", Meaning::configuration, new_token},
    Word{"token_revoked", Meaning::configuration, new_token},
    Word{"token_expired", Meaning::configuration, new_token},
    Word{"account_inactive", Meaning::configuration, new_token},
    Word{"missing_scope", Meaning::right, "add the scope to the app and install it again"},
    Word{"not_allowed_token_type", Meaning::right, other_token},
    Word{"no_permission", Meaning::right, an_administrator},
    Word{"not_an_admin", Meaning::right, an_administrator},
    Word{"access_denied", Meaning::right, an_administrator},
    Word{"accesslimited", Meaning::configuration, "the token's workspace restricts access to it"},
    Word{"org_login_required", Meaning::configuration, "the workspace is being moved and needs its new token"},
    Word{"ekm_access_denied", Meaning::right, "the organisation's administrators have suspended messages"},
    Word{"enterprise_is_restricted", Meaning::configuration, "a token of one workspace, not of the organisation"},
    Word{"team_access_not_granted", Meaning::right, "the app is not approved for that workspace"},
    Word{"two_factor_setup_required", Meaning::configuration, "the token's owner must set up a second factor"},
    Word{"feature_not_enabled", Meaning::right, other_plan},
    Word{"paid_teams_only", Meaning::right, other_plan},
    Word{"unknown_method", Meaning::right, "is BATON_SLACK_URL the API's?"},
    Word{"method_deprecated", Meaning::right, "this worker is too old"},
    Word{"already_in_team", Meaning::for_good, "a member already; `data.user_id` names him"},
    Word{"user_disabled", Meaning::for_good, "deactivated: `slack.reactivate` brings him back"},
    Word{"invalid_email", Meaning::for_good, ""},
    Word{"user_not_found", Meaning::for_good, ""},
    Word{"team_not_found", Meaning::for_good, "`team_id`, or BATON_SLACK_TEAM"},
    Word{"channel_not_found", Meaning::for_good, "mistyped, or private and the app is not in it"},
    Word{"not_in_channel", Meaning::for_good, "invite the app to the channel first"},
    Word{"is_archived", Meaning::for_good, "`slack.unarchive_channel` opens it"},
    Word{"invalid_name_specials", Meaning::for_good, "lower-case letters, digits, `-` and `_`"},
    Word{"invalid_name_maxlength", Meaning::for_good, "80 characters at most"},
    Word{"cant_invite_self", Meaning::for_good, ""},
    Word{"cant_kick_self", Meaning::for_good, ""},
    Word{"cant_kick_from_general", Meaning::for_good, ""},
    Word{"cant_archive_general", Meaning::for_good, ""},
    Word{"restricted_action", Meaning::for_good, "a preference of the workspace forbids it"},
    Word{"user_is_restricted", Meaning::for_good, "guests join few channels"},
    Word{"ura_max_channels", Meaning::for_good, "guests join few channels"},
    Word{"msg_too_long", Meaning::for_good, ""},
    Word{"no_text", Meaning::for_good, ""},
    Word{"invalid_blocks", Meaning::for_good, ""},
    Word{"cant_update_message", Meaning::for_good, "only its own"},
    Word{"cant_delete_message", Meaning::for_good, "only its own"},
    Word{"edit_window_closed", Meaning::for_good, ""},
    Word{"message_not_found", Meaning::for_good, ""},
    Word{"invalid_name", Meaning::for_good, "no such emoji"},
    Word{"thread_not_found", Meaning::for_good, ""},
    Word{"no_such_subteam", Meaning::for_good, ""},
};

const Word* find_refusal(std::string_view word) {
    for (const Word& one : refusal_words)
        if (one.word == word) return &one;
    return nullptr;
}

// Which argument Slack means, where it says so.
std::string more_of(const json::object& body) {
    std::string more;
    const json::value* metadata = body.if_contains("response_metadata");
    const json::value* messages = metadata && metadata->is_object() ? metadata->get_object().if_contains("messages") : nullptr;
    if (!messages || !messages->is_array()) return more;
    for (const json::value& message : messages->get_array())
        if (message.is_string()) more += fmt::format("; {}", std::string_view(message.get_string()).substr(0, 300));
    return more;
}

} // namespace

std::span<const Word> known_words() { return refusal_words; }

Meaning meaning_of(std::string_view word) {
    // A check of the address or the plan could not be made, whichever it was.
    if (word.starts_with("failed_to_validate_")) return Meaning::again;
    const Word* known = find_refusal(word);
    return known ? known->meaning : Meaning::for_good;
}

contract::Problem problem_of(std::string_view method, std::string_view word, const json::object& body,
                             std::optional<Duration> retry_after) {
    const Word* known = find_refusal(word);
    std::string detail = fmt::format("Slack refuses {}: {}", method, word);
    const std::string needed = text_of(body, "needed");
    const std::string provided = text_of(body, "provided");
    if (!needed.empty()) detail += fmt::format(", needs {} (the token has {})", needed, provided.empty() ? "none" : provided);
    detail += more_of(body);
    if (known && !known->advice.empty()) detail += fmt::format("; {}", known->advice);
    contract::Problem problem;
    switch (meaning_of(word)) {
    case Meaning::for_good: problem = permanent(std::string(word), detail); break;
    case Meaning::again: problem = temporary(std::string(word), detail, retry_after); break;
    case Meaning::not_now:
        if (!retry_after && word == "team_added_to_org") retry_after = pause_of_migration;
        problem = not_now(std::string(word), detail, retry_after);
        break;
    case Meaning::configuration:
    case Meaning::right: problem = configuration(std::string(word), detail); break;
    }
    if (!needed.empty()) problem.data = json::serialize(json::object{{"needed", needed}, {"provided", provided}});
    return problem;
}

} // namespace baton::workers::slack
