// What a sandbox is started with. The keys are no secrets: they open nothing but a stand-in, and a
// worker that shows a wrong one is refused as the real system would refuse it.
#pragma once

#include <cstdint>
#include <string>

namespace baton::sandbox {

struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t http_port = 0;             // 0: any free one
    std::uint16_t smtp_port = 0;
    std::string state_file = {};             // empty: memory only
    std::string certificate_file = {};           // where the SMTP certificate is written, for clients
    std::string mailcow_key = "sandbox-mailcow-key";
    std::string redmine_key = "sandbox-redmine-key";
    std::string slack_token = "sandbox-slack-token";
    std::string slack_team = "T0SANDBOX";
    std::string smtp_user = "baton@sandbox.invalid";
    std::string smtp_password = "sandbox-smtp-password";
    // For people who try Baton: the project and the channel that the examples name are there, and mail
    // may go to anybody, also where some mailboxes of the domain are here.
    bool is_furnished = false;
    bool smtp_takes_plain = false;           // mail without STARTTLS and AUTH
};

} // namespace baton::sandbox
