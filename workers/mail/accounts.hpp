// What a place for mailboxes can do. Two places are known: mailcow's API and PostfixAdmin's tables.
// Both keep marks beside a mailbox, texts made from the identities of the task that made it, so that
// a repeated task recognises its own mailbox. Any thread; calls block.
#pragma once

#include "workers/mail/mail.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::mail {

template <typename T>
using Reply = boost::system::result<T, contract::Problem>;

struct Mailbox {
    std::string address;              // lower case
    std::string name;
    bool is_active = true;
    std::vector<std::string> marks;
};

struct NewMailbox {
    Mailbox mailbox;
    std::string password;
    std::int64_t quota_mb = 0;        // 0: the place's own default
};

enum class Added { created, existed };

class Mailcow {
public:
    explicit Mailcow(const Settings& settings) : settings_(settings) {}

    Reply<std::optional<Mailbox>> find(const std::string& address) const;
    Reply<Added> add(const NewMailbox& wish) const;
    Reply<bool> remove(const std::string& address) const;      // whether there was one
    Reply<bool> lock(const std::string& address) const;

private:
    http::Response send(std::string method, const std::string& path, std::string body) const;

    Settings settings_;
};

class PostfixTables {
public:
    explicit PostfixTables(const Settings& settings) : settings_(settings) {}

    Reply<std::optional<Mailbox>> find(const std::string& address) const;
    Reply<Added> add(const NewMailbox& wish) const;
    Reply<bool> remove(const std::string& address) const;
    Reply<bool> lock(const std::string& address) const;

private:
    Settings settings_;
};

// A mark is short and says nothing: "baton-" and a hash of the identity.
std::string mark_of(std::string_view identity);

} // namespace baton::workers::mail
