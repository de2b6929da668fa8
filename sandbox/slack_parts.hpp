// What the pieces of the Slack stand-in share: how it answers, and its records. All on the sandbox's thread.
//
//   slack_users     id, email, real_name, state (invited, active, deactivated), channels, is_primary_owner
//   slack_channels  id, name, is_private, is_archived, topic, purpose, members, is_im
//   slack_messages  channel, channel_name, text, blocks, ts, thread_ts, metadata, reactions
//   slack_groups    id, name, handle, users
//   slack_files     id, name, title, size, content_base64, channel
#pragma once

#include "sandbox/target.hpp"

#include <boost/json.hpp>

#include <map>
#include <string>
#include <string_view>

namespace baton::sandbox::slack {

namespace json = boost::json;

inline constexpr std::string_view members = "slack_users";
inline constexpr std::string_view channels = "slack_channels";
inline constexpr std::string_view messages = "slack_messages";
inline constexpr std::string_view groups = "slack_groups";
inline constexpr std::string_view files = "slack_files";
inline constexpr std::string_view own_id = "U0SANDBOX00000";

Reply refuse(std::string_view error);
Reply ok(json::object body = {});
// Arguments from the query, a form body or a JSON body, as Slack takes them.
std::map<std::string, std::string> arguments_of(const Request& request);

std::string lower(std::string_view text);
std::string text_of(const json::object& object, std::string_view key);
bool flag_of(const json::object& object, std::string_view key);
json::array list_of(const json::object& object, std::string_view key);   // empty if there is none
// Slack's ids: a letter and upper-case base 36; here the number is readable.
std::string make_id(std::string_view letter, std::int64_t number);

// By the field `name`; null if there is none.
const json::object* find_by(const Call& call, std::string_view collection, std::string_view name, std::string_view value);
const json::object* member_by_email(const Call& call, std::string_view email);
const json::object* member_by_id(const Call& call, std::string_view id);
const json::object* channel_by(const Call& call, std::string_view id_or_name);
// Writes a record again, found by its id.
void replace(Call& call, std::string_view collection, json::object record);
void set_state(Call& call, const json::object& member, std::string_view state);
json::object& put_new(Call& call, std::string_view collection, std::string_view letter, json::object& record);

const json::object& add_channel(Call& call, const std::string& name, bool is_private = false);
void join(Call& call, std::string_view channel_id, std::string_view user_id);
// A fresh workspace has two channels, like every real one.
void furnish(Call& call);

// slack_channels.cpp
Reply list_channels(Call& call);
Reply channel_info(Call& call);
Reply create_channel(Call& call);
Reply channel_invite(Call& call);
Reply channel_kick(Call& call);
Reply archive(Call& call);
Reply unarchive(Call& call);
Reply rename(Call& call);
Reply set_topic(Call& call);
Reply set_purpose(Call& call);
Reply open_direct(Call& call);
Reply create_group(Call& call);
Reply list_groups(Call& call);
Reply list_group_users(Call& call);
Reply update_group_users(Call& call);

// slack_messages.cpp
Reply post(Call& call);
Reply history(Call& call);
Reply replies(Call& call);
Reply update_message(Call& call);
Reply delete_message(Call& call);
Reply react(Call& call);
Reply unreact(Call& call);
Reply upload_url(Call& call);
Reply take_upload(Call& call);
Reply complete_upload(Call& call);
Reply list_files(Call& call);
Reply take_webhook(Call& call);

// slack_scim.cpp
Reply scim_refusal(int status, std::string_view detail);
Reply scim_find(Call& call);
Reply scim_create(Call& call);
Reply scim_change(Call& call);

} // namespace baton::sandbox::slack
