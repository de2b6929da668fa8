// The tasks, by what they are about. Each is a function of a task; slack.cpp gives them their names.
#pragma once

#include "workers/slack/workspace.hpp"

namespace baton::workers::slack {

// people.cpp
Answer invite(const Workspace& workspace, const Task& task);
Answer deactivate(const Workspace& workspace, const Task& task);
Answer reactivate(const Workspace& workspace, const Task& task);
Answer find_user(const Workspace& workspace, const Task& task);

// channels.cpp
Answer create_channel(const Workspace& workspace, const Task& task);
Answer find_channel(const Workspace& workspace, const Task& task);
Answer set_topic(const Workspace& workspace, const Task& task);
Answer rename_channel(const Workspace& workspace, const Task& task);
Answer archive_channel(const Workspace& workspace, const Task& task);
Answer unarchive_channel(const Workspace& workspace, const Task& task);
Answer add_to_channel(const Workspace& workspace, const Task& task);
Answer remove_from_channel(const Workspace& workspace, const Task& task);
Answer add_to_group(const Workspace& workspace, const Task& task);
Answer remove_from_group(const Workspace& workspace, const Task& task);

// Puts each of them into the channel; who is in it already is no problem. How many came in.
Reply<std::int64_t> bring_in(const Workspace& workspace, const std::string& channel, const std::vector<std::string>& user_ids);

// messages.cpp
Answer post(const Workspace& workspace, const Task& task);
Answer direct_message(const Workspace& workspace, const Task& task);
Answer update_message(const Workspace& workspace, const Task& task);
Answer delete_message(const Workspace& workspace, const Task& task);
Answer react(const Workspace& workspace, const Task& task);
Answer unreact(const Workspace& workspace, const Task& task);
Answer upload(const Workspace& workspace, const Task& task);
Answer webhook(const Workspace& workspace, const Task& task);

// A message that is there once, whoever asks how often.
struct Message {
    std::string channel;                         // id, or a name with '#'
    std::string text = {};
    std::string blocks = {};                     // JSON, or empty
    std::string thread_ts = {};
    bool is_broadcast = false;
};
struct Posted {
    std::string channel;
    std::string ts;
    std::vector<std::string> warnings;
};
Reply<Posted> post_once(const Workspace& workspace, const Task& task, const Message& message);

} // namespace baton::workers::slack
