// Who and what is there: people by address or id, channels and user groups by name or id, and whose the
// tokens are. What was mistyped is refused by its name, before anything is done. Any thread.
#pragma once

#include "workers/slack/client.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace baton::workers::slack {

// What the handlers share.
struct Workspace {
    explicit Workspace(const Settings& given) : settings(given), client(given) {}

    Settings settings;
    Client client;
};

struct Person {
    std::string id = {};                         // empty: nobody
    std::string name = {};
    std::string email = {};
    bool is_invited = false;
    bool is_deleted = false;
    bool is_primary_owner = false;
    bool is_bot = false;
};

// Nobody is no problem. Who is deactivated is not found by an address, nor is somebody who was invited and has
// not come, in some workspaces.
Reply<Person> person_by_email(const Workspace& workspace, const std::string& email);
Reply<Person> person_by_id(const Workspace& workspace, const std::string& id);
// Each an address or an id; the failure `user_not_found` names all that nobody has.
Reply<std::vector<std::string>> ids_of_people(const Workspace& workspace, const std::vector<std::string>& people);

struct ChannelNames {
    std::vector<std::string> names;              // "#general", "general" or an id
    std::string team;
    bool also_archived = false;
};
// In the same order. The failure `channel_not_found` names all that are not there, with what was probably meant.
Reply<std::vector<std::string>> ids_of_channels(const Workspace& workspace, const ChannelNames& wanted);
Reply<Id> id_of_channel(const Workspace& workspace, const std::string& channel, bool also_archived = false);
// As Slack describes it.
Reply<boost::json::object> channel_info(const Workspace& workspace, const std::string& id);
// After Slack said that a channel we knew is not there.
void forget_channels();

// By id (S…), handle or name; `no_such_subteam` with what was probably meant.
Reply<Id> id_of_group(const Workspace& workspace, const std::string& group, const std::string& team);

// The users whose tokens these are: nobody deactivates those.
Reply<std::vector<std::string>> own_ids(const Workspace& workspace);

bool is_user_id(std::string_view text);
bool is_channel_id(std::string_view text);
// The parameter `team_id`, else the setting; put into `fields` if there is one.
void add_team(Fields& fields, const Workspace& workspace, const std::string& team);

contract::Problem strange_answer(std::string_view method, std::string_view what);

} // namespace baton::workers::slack
