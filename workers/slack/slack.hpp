// Slack by its Web API.
//
//   slack.invite          {email, channels?, name?}     → {user_id, invited}
//   slack.post            {channel, text}               → {channel, ts}
//   slack.deactivate      {email | user_id}             → {user_id, deactivated}
//   slack.create_channel  {name}                → {id, name, created}
//
// Slack says no with HTTP 200; its error words become the problem's type as they are. Inviting is
// idempotent at Slack's side: somebody who was invited before is a success, somebody who was a member
// before is the failure `already_in_team` with data.user_id, for the workflow to decide.
#pragma once

#include "workers/handler.hpp"
#include "workers/http/http_client.hpp"

#include <string>
#include <vector>

namespace baton::workers::slack {

// How slack.invite brings people in: `admin_invite` calls admin.users.invite (Enterprise plans);
// `notify` posts a request to a channel of administrators (plans without such an API).
enum class Mode { admin_invite, notify };

struct Settings {
    std::string url = "https://slack.com/api";
    std::string token;
    std::string team;                           // T…, needed for invitations
    std::vector<std::string> channels = {"general"};   // where invited people begin
    Mode mode = Mode::admin_invite;
    std::string notify_channel = "#admins";
    http::Limits limits = {};
};

std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::slack
