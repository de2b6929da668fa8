// Mailboxes and mails.
//
//   mail.create  {address, name?, password?, quota_mb?, adopt?}  → {id, address, created}
//   mail.delete  {id | address}                                  → {id, deleted}
//   mail.lock    {id | address}                                  → {id, locked}
//   mail.send    {to, cc?, bcc?, reply_to?, from?, subject?, text?, html?, attachments?, template?, …}
//                                                                → {message_id}
//
// Accounts live behind mailcow's HTTP API or in a PostgreSQL database with PostfixAdmin's tables.
// The id of a mailbox is its address. A mailbox that was there before and is not this task's own is
// the failure `already_exists` (unless `adopt` is true): an undo must never delete somebody's mail.
//
// Mail goes out by SMTP submission with STARTTLS and a login. Its Message-ID is the same for all
// attempts, since SMTP itself knows no idempotency.
#pragma once

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
    std::string from;                 // sender; empty: smtp_user
    std::string template_folder;      // NAME.txt, first line "Subject: …"
    http::Limits limits = {};
};

// The handlers of what is configured.
std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::mail
