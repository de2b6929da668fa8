// Mail addresses as people and parameters write them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::workers::mail {

struct Person {
    std::string name;                 // UTF-8; may be empty
    std::string address;
    friend bool operator==(const Person&, const Person&) = default;
};

// Letters A to Z only: how addresses are compared here.
std::string lower(std::string_view text);

// ada@example.org; ASCII only, without quotes and comments. A domain beyond ASCII is written xn--….
bool is_address(std::string_view text);

// "ada@example.org", "Ada L <ada@example.org>" or "\"L, Ada\" <ada@example.org>".
std::optional<Person> person_in(std::string_view text);

std::string_view local_part(std::string_view address);
std::string_view domain_of(std::string_view address);

// Whether a mailbox may be made there: its local part becomes part of a path.
bool is_fit_for_mailbox(std::string_view address);

} // namespace baton::workers::mail
