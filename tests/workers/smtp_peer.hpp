// A mail server that goes wrong as it is told: what it answers to which command, and how late. Threads and
// sockets of its own; ends with the object.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace baton::workers::test {

class SmtpPeer {
public:
    // By what was said: "greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "RCPT ada@example.org", "DATA", "text"
    // (a whole letter), "QUIT". An empty answer: the connection ends instead. What is not here is taken.
    using Answers = std::map<std::string, std::string>;

    explicit SmtpPeer(Answers answers = {}, std::chrono::milliseconds delay_of_text = {});
    ~SmtpPeer();
    SmtpPeer(const SmtpPeer&) = delete;
    SmtpPeer& operator=(const SmtpPeer&) = delete;

    std::string url() const { return "smtp://127.0.0.1:" + std::to_string(port_); }
    // All texts that were ended by a dot, whatever the answer was. Call it when nobody talks.
    const std::vector<std::string>& letters() const { return letters_; }
    std::size_t connections() const { return connections_; }

private:
    void serve();
    void talk(int peer);
    bool answer(int peer, const std::string& to, const std::string& otherwise) const;

    Answers answers_;
    std::chrono::milliseconds delay_of_text_;
    std::vector<std::string> letters_;
    std::size_t connections_ = 0;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

} // namespace baton::workers::test
