// One letter by SMTP submission over libcurl, each on a connection of its own. Blocks; any thread.
#pragma once

#include "workers/mail/letter.hpp"
#include "workers/mail/mail.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace baton::workers::mail {

struct Refused {
    std::string address;
    std::string reason;               // the server's reply
};

struct Submission {
    // Whether a letter goes out although some of its recipients are refused for the moment (4xx). If
    // not, nobody gets it yet.
    bool leaves_out_deferred = true;
    // Asked about once a second; true ends it.
    std::function<bool()> is_cancelled = {};
};

// The server took the letter for all but these.
struct Submitted {
    std::vector<Refused> refused;
};

struct NotSubmitted {
    contract::Problem problem;
    // Its text was sent and the answer is missing: some may have it.
    bool may_have_been_sent = false;
};

boost::system::result<Submitted, NotSubmitted> submit(const Settings& settings, const Letter& letter,
                                                      const Submission& submission);

// Whether the server lets us in and takes this address as a sender; then the letter is taken back (RSET)
// before it has a text. Nothing: all is well.
std::optional<contract::Problem> try_sender(const Settings& settings, const std::string& from);

} // namespace baton::workers::mail
