// A self-signed certificate for localhost and 127.0.0.1, made anew at each start: the sandbox's
// SMTP speaks STARTTLS as real submission services do, and its clients verify it.
#pragma once

#include "base/result.hpp"

#include <string>

namespace baton::sandbox {

struct Certificate {
    std::string certificate_pem;
    std::string key_pem;
};

Outcome<Certificate> make_certificate();

} // namespace baton::sandbox
