// An invitation to a meeting as iCalendar text (RFC 5545, RFC 5546). Pure.
#pragma once

#include "base/clock.hpp"
#include "workers/mail/address.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::mail {

struct Invitation {
    std::string uid;                  // the same for all letters about one meeting
    Time start;
    Time end;
    std::string summary;
    std::string location = {};
    std::string description = {};
    std::string method = "REQUEST";   // or CANCEL
    std::int64_t sequence = 0;        // grows with every change
    Person organizer = {};
    std::vector<Person> attendees = {};
};

std::string to_calendar(const Invitation& invitation, Time now);

// "2026-02-02T09:00:00Z", "2026-02-02T10:00:00+01:00"
std::optional<Time> moment_in(std::string_view text);

} // namespace baton::workers::mail
