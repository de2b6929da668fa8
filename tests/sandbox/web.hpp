// libcurl as the tests use it: the sandbox is asked by a client that is not ours.
#pragma once

#include "sandbox/sandbox.hpp"

#include <map>
#include <string>
#include <vector>

namespace baton::sandbox::test {

struct Answer {
    int status = 0;          // 0: no answer
    std::string body;
    std::string head;        // header lines as they came
};

struct Ask {
    std::string method = "GET";
    std::string url;
    std::vector<std::string> headers = {};
    std::string body = {};
};

Answer ask(const Ask& question);

struct MailAnswer {
    int curl_code = 0;
    long reply = 0;          // last SMTP reply code
};

struct Mail {
    std::string url;
    std::string user;
    std::string password;
    std::string certificate_pem;
    std::string from = "baton@sandbox.invalid";
    std::string to;
    std::string text = "Subject: hello\r\nMessage-ID: <1@test>\r\n\r\nbody\r\n.dot\r\n";
    bool with_tls = true;
};

MailAnswer send(const Mail& mail);

// What came back for bytes sent raw to a port, until it was closed or fell silent.
std::string talk(std::uint16_t port, const std::string& bytes);

} // namespace baton::sandbox::test
