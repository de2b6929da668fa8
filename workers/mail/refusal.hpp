// What a mail server's refusal means for a task: the letter is wrong, the worker is, or it is too early.
// README.md has the same as a table. Pure.
#pragma once

#include "contract/task_message.hpp"

#include <string>
#include <string_view>

namespace baton::workers::mail {

// What was said before the server refused; `text` is what follows the letter's last line.
enum class Stage { connecting, hello, starttls, login, sender, recipient, data, text, goodbye };

// `code` is a reply code from 400 to 599, `said` the reply with its code, one line.
contract::Problem problem_of_reply(Stage stage, int code, std::string_view said);

// 4.2.x: a mailbox that is full, say; it must not hold back other people's letters.
bool is_about_one_person(int code, std::string_view said);

} // namespace baton::workers::mail
