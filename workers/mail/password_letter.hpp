// The letter that tells a person the password of a mailbox. The password is in no result and in no history.
#pragma once

#include "workers/mail/accounts.hpp"
#include "workers/mail/smtp.hpp"

#include <optional>
#include <string>

namespace baton::workers::mail {

struct PasswordLetter {
    std::string to;                   // empty: nobody is told
    std::string pattern;              // the name of a template; empty: a text of ours
};

// Reads 'NAME_OF_TO' and 'template'; complains about an address that is the mailbox itself, about a template that
// asks for other fields than name, address and password or does not say the password, and without SMTP.
PasswordLetter password_letter_in(Parameters& parameters, std::string_view name_of_to, const Settings& settings,
                                  const std::string& address);

// On a mailbox: this task's letter was taken by the server. For a call that has no identity a new one each time.
std::string letter_mark_of(const Task& task);

std::string new_password();

// Whether the ledger knows that the server took this task's letter: its password counts.
bool is_password_told(const Settings& settings, const Task& task);

// True: an earlier letter may have been sent as well, with another password; the newest counts.
boost::system::result<bool, NotSubmitted> tell_password(const Settings& settings, const Task& task, const PasswordLetter& letter,
                                          const Mailbox& mailbox, const std::string& password);

} // namespace baton::workers::mail
