// One connection after the other, plain sockets.
#include "smtp_peer.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace baton::workers::test {

SmtpPeer::SmtpPeer(Answers answers, std::chrono::milliseconds delay_of_text)
    : answers_(std::move(answers)), delay_of_text_(delay_of_text) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
}

SmtpPeer::~SmtpPeer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
}

void SmtpPeer::serve() {
    for (int peer = 0; (peer = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(peer)) {
        ++connections_;
        talk(peer);
    }
}

bool SmtpPeer::answer(int peer, const std::string& to, const std::string& otherwise) const {
    const auto own = answers_.find(to);
    const std::string text = (own == answers_.end() ? otherwise : own->second) + "\r\n";
    if (text.size() == 2) return false;
    ::send(peer, text.data(), text.size(), MSG_NOSIGNAL);
    return !text.starts_with("421");
}

void SmtpPeer::talk(int peer) {
    if (!answer(peer, "greeting", "220 mx")) return;
    bool is_text = false;
    bool is_login = false;
    std::string line;
    std::string text;
    for (char c = 0; ::recv(peer, &c, 1, 0) == 1;) {
        line += c;
        if (c != '\n') continue;
        const std::string said = std::exchange(line, {});
        if (is_text && said != ".\r\n") {
            text += said;
            continue;
        }
        bool goes_on = true;
        if (is_login) {
            is_login = false;
            goes_on = answer(peer, "AUTH", "235 2.7.0 ok");
        } else if (is_text) {
            is_text = false;
            letters_.push_back(std::exchange(text, {}));
            std::this_thread::sleep_for(delay_of_text_);
            goes_on = answer(peer, "text", "250 2.0.0 queued");
        } else {
            const std::string verb = said.substr(0, std::min(said.find_first_of(" \r"), said.size()));
            const std::size_t open = said.find('<');
            const std::string named = open == std::string::npos ? verb : verb + " " + said.substr(open + 1, said.find('>') - open - 1);
            is_text = verb == "DATA" && !answers_.contains("DATA");
            if (verb == "EHLO") goes_on = answer(peer, verb, "250-mx\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000");
            else if (verb == "AUTH") is_login = answer(peer, "", "334 ");
            else if (verb == "DATA") goes_on = answer(peer, verb, "354 go");
            else if (verb == "QUIT") goes_on = answer(peer, verb, "221 bye") && false;
            else goes_on = answer(peer, answers_.contains(named) ? named : verb, "250 2.1.0 ok");
        }
        if (!goes_on) return;
    }
}

} // namespace baton::workers::test
