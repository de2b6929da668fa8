// One mail by SMTP submission over libcurl. Blocks; any thread.
#pragma once

#include "workers/mail/mail.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::workers::mail {

struct Attachment {
    std::string name;                 // UTF-8
    std::string type;                 // "application/pdf"
    std::string content;              // its bytes
};

struct Letter {
    std::string from;
    std::vector<std::string> to;
    std::string subject;              // UTF-8
    std::string text;                 // UTF-8
    std::string message_id;           // with its angle brackets
    std::vector<std::string> cc = {};
    std::vector<std::string> bcc = {};         // in no header
    std::vector<std::string> reply_to = {};
    std::string html = {};            // UTF-8; beside a text, the other way to read it
    std::vector<Attachment> attachments = {};
};

// Nothing if the server took it. A mail whose data was sent and whose answer is missing is reported
// as `timeout` or `unavailable` with data.may_have_been_sent: the next attempt may make it two, with
// one Message-ID.
std::optional<contract::Problem> submit(const Settings& settings, const Letter& letter);

// The letter as RFC 5322 text with CRLFs; `date` as in that standard.
std::string to_text(const Letter& letter, const std::string& date);

} // namespace baton::workers::mail
