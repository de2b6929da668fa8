// The task mail.send: parameters to a letter, and a letter to the server at most once or said to be
// doubtful.
#pragma once

#include "workers/mail/letter.hpp"
#include "workers/mail/mail.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace baton::workers::mail {

Answer send(const Settings& settings, const Task& task);
// Two copies of one letter never go out at once.
std::string send_key(const boost::json::object& with);

// Whom letters come from unless they say so themselves; an empty address if nothing is set.
Person sender_of(const Settings& settings);
// Equal in all attempts at the same work, new for a call that has no identity; `purpose` keeps apart the letters of one task.
std::string message_id_of(const Task& task, const Person& from, std::string_view purpose = {});

// The first `count` hexadecimal digits of the text's SHA-256.
std::string digest_of(std::string_view text, std::size_t count);

} // namespace baton::workers::mail
