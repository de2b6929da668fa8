// From what people write to Redmine's numbers: logins, mail addresses, names of groups, roles, trackers,
// priorities, statuses and custom fields. What does not exist is refused by name. Any thread.
#pragma once

#include "workers/redmine/client.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::redmine {

inline constexpr int status_active = 1;
inline constexpr int status_locked = 3;

struct User {
    std::int64_t id = 0;
    std::string login = {};
    std::string mail = {};                 // the first of their addresses
    // Only of a user who was asked for by id.
    bool is_admin = false;
    int status = 0;
    boost::json::object shown = {};
};

// The login that a mail address gives: what stands before '@' and '+', in small letters, without the signs that
// Redmine takes in no login: "O'Brien+news@example.org" is obrien. May be empty.
std::string login_from(std::string_view mail);

class Names {
public:
    explicit Names(const Client& client) : client_(client) {}

    // --- people; whatever their status ---
    Reply<std::optional<User>> user(std::int64_t id) const;
    // The oldest first.
    Reply<std::vector<User>> all_with_login(std::string_view login) const;
    // By any of their addresses, without case.
    Reply<std::optional<User>> owner_of(std::string_view mail) const;
    // A number, a login or a mail address. not_found says whom nobody knows.
    Reply<std::int64_t> user_id(std::string_view who) const;
    // Who the key belongs to.
    Reply<std::int64_t> own_id() const;

    // --- things ---
    struct Named {
        std::int64_t id = 0;
        std::string name;
    };
    // Of these, the ones that are there, without case; the others go into `unknown`.
    Reply<std::vector<Named>> groups(const std::vector<std::string>& names, std::vector<std::string>& unknown) const;
    Reply<std::int64_t> group(const std::string& name) const;
    Reply<std::int64_t> role(const std::string& name) const;
    Reply<std::int64_t> tracker(const std::string& name) const;
    Reply<std::int64_t> priority(const std::string& name) const;
    Reply<std::int64_t> status(const std::string& name) const;
    // The first that closes an issue.
    Reply<std::int64_t> closed_status() const;
    // Of "user", "issue" or "project"; 0 if there is none of that name.
    Reply<std::int64_t> custom_field(std::string_view of, const std::string& name) const;
    // {"Cost centre": "42", "7": "x"} → [{"id": 3, "value": "42"}, {"id": 7, "value": "x"}]
    Reply<boost::json::array> custom_values(std::string_view of, const boost::json::object& values) const;

private:
    Reply<std::vector<User>> users_like(std::string_view text) const;
    Reply<bool> is_taken(std::string_view mail) const;
    Reply<std::size_t> complaints_about(std::string_view mail) const;
    Reply<std::int64_t> in_list(const std::string& path, std::string_view list, std::string_view kind,
                                const std::string& name) const;

    const Client& client_;
};

} // namespace baton::workers::redmine
