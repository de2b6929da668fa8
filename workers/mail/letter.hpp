// A letter and its text after RFC 5322 and MIME. Pure.
#pragma once

#include "workers/attachments.hpp"
#include "workers/mail/address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::mail {

struct Letter {
    Person from;
    std::vector<Person> to;
    std::string subject;              // UTF-8
    std::string text;                 // UTF-8
    std::string message_id;           // with its angle brackets
    std::vector<Person> cc = {};
    std::vector<Person> bcc = {};              // in no header
    std::vector<Person> reply_to = {};
    std::string html = {};            // UTF-8; beside a text, the other way to read it
    std::vector<Attachment> attachments = {};
    std::string calendar = {};        // iCalendar, see calendar.hpp
    std::string calendar_method = "REQUEST";
};

// With CRLFs; `date` as in RFC 5322.
std::string to_text(const Letter& letter, const std::string& date);

// What a parameter says in one line without control characters: a header never grows a second line.
std::string one_line(std::string_view text);

} // namespace baton::workers::mail
