// Mailboxes and mails: README.md has all tasks, errors and what they need at the target.
//
// Accounts live behind mailcow's HTTP API or in a PostgreSQL database with PostfixAdmin's tables.
// The id of a mailbox is its address. A mailbox that was there before and is not this task's own is
// the failure `already_exists` (unless `adopt` is true): an undo must never delete somebody's mail.
//
// Mail goes out by SMTP submission with STARTTLS and a login. Its Message-ID is the same for all
// attempts, since SMTP itself knows no idempotency; a ledger on disk knows what was sent.
#pragma once

#include "workers/attachments.hpp"
#include "workers/handler.hpp"
#include "workers/http/http_client.hpp"

#include <string>
#include <vector>

namespace baton::workers::mail {

enum class Security {
    starttls,   // required, verified
    tls,        // from the first byte (smtps)
    none,       // for a server on the same machine
};

// How long the server may take (RFC 5321 §4.5.3.2); the answer to the text is worth waiting for, since
// without it nobody knows whether the letter is on its way.
struct SmtpPatience {
    Duration command = std::chrono::minutes(5);
    Duration data = std::chrono::minutes(2);
    Duration block = std::chrono::minutes(3);
    Duration answer = std::chrono::minutes(10);
    Duration goodbye = std::chrono::seconds(2);
};

struct Settings {
    std::string mailcow_url;          // "https://mail.example.org"; or
    std::string mailcow_key;
    std::string database_url;         // "postgresql://user:word@host/mail"; one of the two, or none

    std::string smtp_url;             // "smtp://mail.example.org:587"; empty: mail.send is not offered
    std::string smtp_user;
    std::string smtp_password;
    Security security = Security::starttls;
    std::string ca_file;              // empty: the system's certificates
    std::string ca_pem;               // instead of a file
    std::string from;                 // sender, "Baton <baton@example.org>"; empty: smtp_user
    std::string template_folder;      // NAME.txt, first line "Subject: …", and NAME.html
    std::string ledger_folder;        // what was sent, across restarts; empty: not known
    SmtpPatience patience = {};
    http::Limits limits = {};
    FetchFile files = {};            // attachments that are somewhere else; empty: none are
};

// The handlers of what is configured.
std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::mail
