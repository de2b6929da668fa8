// Slack by its Web API, its SCIM API and an incoming webhook. Tasks, parameters and results: docs/workers.md;
// what each needs and how it fails: README.md here.
//
// A task that comes twice does its work once. What a task made it knows again: people, channels and
// deactivations by a note in the broker (claim.hpp), posts by a mark in the message's metadata.
#pragma once

#include "workers/attachments.hpp"
#include "workers/handler.hpp"
#include "workers/http/http_client.hpp"

#include <memory>
#include <string>
#include <vector>

namespace baton::workers {
class KeyLocks;
}

namespace baton::workers::slack {

// How people come in and go. `admin_invite`: admin.users.invite and admin.users.remove (Enterprise plans);
// `scim`: accounts are made and switched off by SCIM (Business+ and Enterprise); `notify`: a request is posted
// to a channel of administrators (plans without such an API).
enum class Mode { admin_invite, scim, notify };

struct Settings {
    std::string url = "https://slack.com/api";
    std::string scim_url = "https://api.slack.com/scim/v2";
    std::string token = {};
    std::string admin_token = {};               // for admin.* and SCIM; empty: the same
    std::string team = {};                      // T…, needed for invitations and by tokens of an organisation
    std::vector<std::string> channels = {"general"};   // where invited people begin
    Mode mode = Mode::admin_invite;
    std::string notify_channel = "#admins";
    std::string webhook_url = {};               // a secret; slack.webhook is there only with it
    http::Limits limits = {};
    FetchFile files = {};            // attachments that are somewhere else; empty: none are
    std::shared_ptr<KeyLocks> locks = {};       // null: nothing is known of what earlier attempts made
};

std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::slack
