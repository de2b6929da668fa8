// What passes on the mail of a mailbox in mailcow is a Sieve filter of the mailbox: how ours is
// written, and read again. Whose each target is stands in comments of the script. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::mail {

struct Forwarding {
    std::string id = {}; // mailcow's; empty: there is none yet
    std::vector<std::string> targets = {};
    bool keeps_copy = true;   // the mailbox gets its mail, too
    bool is_archived = false; // by mail.archive, until mail.unlock
    std::map<std::string, std::vector<std::string>> marks = {}; // by target
};

// By which it is known among the filters of the mailbox.
inline constexpr std::string_view forwarding_description = "Baton: passes mail on";

std::string script_of(const Forwarding& forwarding);
Forwarding forwarding_in(std::string_view script);

} // namespace baton::workers::mail
