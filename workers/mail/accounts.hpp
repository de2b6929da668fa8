// What a place for mailboxes can do. Two places are known: mailcow's API and PostfixAdmin's tables.
// Both keep marks beside a mailbox or an alias, texts made from the identities of the task that made it,
// so that a repeated task recognises its own work and an undo touches nothing else. Any thread; calls block.
#pragma once

#include "workers/mail/mail.hpp"
#include "workers/mail/mailcow_filter.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::workers::mail {

template <typename T>
using Reply = boost::system::result<T, contract::Problem>;

struct Mailbox {
    std::string address;              // lower case
    std::string name;
    bool is_active = true;
    std::int64_t quota_mb = 0;        // 0: none
    std::vector<std::string> marks = {};
};

struct NewMailbox {
    Mailbox mailbox;
    std::string password;
};

// An address without a mailbox, or beside a mailbox what becomes of its mail.
struct Alias {
    std::string address;
    std::vector<std::string> targets;
    bool is_active = true;
    std::vector<std::string> marks = {};

    bool goes_to(std::string_view target) const;
};

enum class Added { created, existed };
// `foreign`: there is one, and none of the marks asked for is on it.
enum class Changed { done, absent, foreign };

// What a change is allowed to touch: anything, or only what has one of these marks.
using Only = std::vector<std::string>;
bool may_touch(const Only& only, const std::vector<std::string>& marks);

class Mailcow {
public:
    explicit Mailcow(const Settings& settings) : settings_(settings) {}

    Reply<std::optional<Mailbox>> find(const std::string& address) const;
    Reply<std::optional<Alias>> find_alias(const std::string& address) const;
    Reply<Added> add(const NewMailbox& wish) const;
    Reply<Changed> remove(const std::string& address, const Only& only) const;
    Reply<Changed> set_active(const std::string& address, bool is_active, const Only& only) const;
    Reply<Changed> archive(const std::string& address, const std::string& forward_to) const;
    Reply<Changed> set_quota(const std::string& address, std::int64_t quota_mb) const;
    Reply<Changed> set_password(const std::string& address, const std::string& password) const;
    Reply<Changed> add_mark(const std::string& address, const std::string& mark) const;
    // For a mailbox `keeps_copy` says whether it still gets its own mail; `existed` if nothing changed.
    Reply<Added> add_target(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const;
    // An empty target: all of them.
    Reply<Changed> remove_target(const std::string& address, const std::string& target, const Only& only) const;

private:
    http::Response send(std::string method, const std::string& path, std::string body) const;
    Reply<Changed> edit(const std::string& address, std::string_view attributes, const Only& only) const;
    Reply<std::optional<Forwarding>> find_forwarding(const std::string& address, bool will_change) const;
    std::optional<contract::Problem> put_forwarding(const std::string& address, const Forwarding& forwarding) const;
    Reply<Added> add_forward(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const;
    Reply<Changed> remove_forward(const std::string& address, const std::string& target, const Only& only) const;
    std::optional<contract::Problem> write(const std::string& path, const std::string& body, std::string_view what) const;

    Settings settings_;
};

class PostfixTables {
public:
    explicit PostfixTables(const Settings& settings) : settings_(settings) {}

    Reply<std::optional<Mailbox>> find(const std::string& address) const;
    Reply<std::optional<Alias>> find_alias(const std::string& address) const;
    Reply<Added> add(const NewMailbox& wish) const;
    Reply<Changed> remove(const std::string& address, const Only& only) const;
    Reply<Changed> set_active(const std::string& address, bool is_active, const Only& only) const;
    Reply<Changed> archive(const std::string& address, const std::string& forward_to) const;
    Reply<Changed> set_quota(const std::string& address, std::int64_t quota_mb) const;
    Reply<Changed> set_password(const std::string& address, const std::string& password) const;
    Reply<Changed> add_mark(const std::string& address, const std::string& mark) const;
    Reply<Added> add_target(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const;
    Reply<Changed> remove_target(const std::string& address, const std::string& target, const Only& only) const;

private:
    Settings settings_;
};

using Accounts = std::variant<Mailcow, PostfixTables>;

// A mark is short and says nothing: "baton-" and a hash of the identity.
std::string mark_of(std::string_view identity);

} // namespace baton::workers::mail
