// One SMTP conversation as the sandbox's submission service holds it, without a socket: lines in,
// replies out. EHLO, STARTTLS, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, RSET, NOOP, QUIT. Nothing is
// ever sent on: accepted mail is only remembered.
#pragma once

#include "sandbox/room.hpp"

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace baton::sandbox {

// The steps of the dialogue that a fault can spoil.
inline constexpr std::array<std::string_view, 5> smtp_operations = {"mail.connect", "mail.auth", "mail.from", "mail.rcpt",
                                                                    "mail.send"};

class SmtpSession {
public:
    enum class Next { read_line, read_data, start_tls, close };
    struct Answer {
        std::string text;                    // reply lines with CRLF; may be empty
        Next next = Next::read_line;
        std::chrono::milliseconds delay{0};  // before the text is sent
    };

    explicit SmtpSession(Room& room) : room_(room) {}

    Answer greet();
    // One line without its CRLF.
    Answer take_line(std::string_view line);
    // Everything up to the final dot, with CRLFs, dots not yet unstuffed.
    Answer take_data(std::string_view data);
    // After a handshake the client has to say everything again.
    void tls_is_on();

private:
    enum class Login { none, name, word };

    Answer hello(std::string_view verb);
    Answer authenticate(std::string_view arguments);
    Answer check(std::string_view name, std::string_view word);
    Answer login_line(std::string_view line);
    Answer mail(std::string_view arguments);
    Answer recipient(std::string_view arguments);
    // A fault as an SMTP reply; false if the fault lets the command happen.
    bool spoil(std::string_view operation, Answer& answer);
    void forget_mail();
    bool may_send() const;

    Room& room_;
    bool has_tls_ = false;
    bool said_hello_ = false;
    std::string user_;
    Login login_ = Login::none;
    std::string login_name_;
    bool has_sender_ = false;
    std::string sender_;
    std::vector<std::string> recipients_;
    int mistakes_ = 0;
    bool loses_answer_ = false;
};

} // namespace baton::sandbox
