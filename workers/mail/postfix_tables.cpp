// Mailboxes as rows, in the tables PostfixAdmin makes (domain, mailbox, alias) plus one of ours,
// baton_mailbox_mark, which is made at the first use: in one transaction with the mailbox it tells for
// good whose a mailbox is. libpqxx throws; here that ends.
#include "workers/mail/accounts.hpp"

#include <pqxx/pqxx>

#include <fmt/format.h>

#include <crypt.h>

#include "base/random.hpp"

namespace baton::workers::mail {

namespace {

// No answer within this is "unavailable".
constexpr std::string_view connect_options = "connect_timeout=5 application_name=baton-worker";

// SHA512-CRYPT in dovecot's notation. The salt alphabet is that of crypt(3).
std::string hashed(const std::string& password) {
    crypt_data data{};
    std::string salt = random_name(16);
    for (char& c : salt)
        if (c == '-' || c == '_') c = '.';
    const char* hash = ::crypt_r(password.c_str(), ("$6$" + salt).c_str(), &data);
    return hash && hash[0] == '$' ? "{SHA512-CRYPT}" + std::string(hash) : std::string{};
}

contract::Problem problem_of(const pqxx::sql_error& error) {
    const std::string& state = error.sqlstate();
    if (state == "23503")
        return permanent("domain_not_found", "the mail database has no such domain", 422);
    if (state == "42501")
        return configuration("unauthorized", "the mail database does not let this user write");
    if (state == "42P01" || state == "42703")
        return configuration("configuration",
                             "the mail database has not the tables PostfixAdmin makes");
    if (state.starts_with("22"))
        return permanent("invalid_input", "the mail database does not take a value", 422);
    // Connection, resources, operator, deadlock and whatever else: later.
    return temporary("unavailable", fmt::format("the mail database: {} ({})", error.what(), state));
}

template <typename Work>
auto in_transaction(const std::string& url, Work&& work)
    -> decltype(work(std::declval<pqxx::work&>())) {
    try {
        pqxx::connection connection(url.find("://") != std::string::npos
                                        ? url + (url.find('?') == std::string::npos ? "?" : "&") +
                                              "connect_timeout=5&application_name=baton-worker"
                                        : fmt::format("{} {}", url, connect_options));
        pqxx::work transaction(connection);
        return work(transaction);
    } catch (const pqxx::broken_connection&) {
        // The text may hold the URL's parts; the fact is enough.
        return temporary("unavailable", "the mail database cannot be reached");
    } catch (const pqxx::in_doubt_error&) {
        return temporary("unavailable", "the mail database went away during the commit");
    } catch (const pqxx::sql_error& error) {
        return problem_of(error);
    } catch (const pqxx::failure& error) {
        return temporary("unavailable", fmt::format("the mail database: {}", error.what()));
    }
}

std::optional<Mailbox> read(pqxx::work& work, const std::string& address) {
    const pqxx::result rows =
        work.exec_params("select name, active from mailbox where username = $1", address);
    if (rows.empty()) return std::nullopt;
    Mailbox mailbox{address, rows[0][0].as<std::string>(""), rows[0][1].as<bool>(true), {}};
    const bool has_marks =
        !work.exec("select to_regclass('baton_mailbox_mark')")[0][0].is_null();
    if (has_marks)
        for (const auto& row :
             work.exec_params("select mark from baton_mailbox_mark where address = $1", address))
            mailbox.marks.push_back(row[0].as<std::string>());
    return mailbox;
}

} // namespace

Reply<std::optional<Mailbox>> PostfixTables::find(const std::string& address) const {
    return in_transaction(settings_.database_url,
                          [&](pqxx::work& work) -> Reply<std::optional<Mailbox>> {
                              return read(work, address);
                          });
}

Reply<Added> PostfixTables::add(const NewMailbox& wish) const {
    const std::string& address = wish.mailbox.address;
    const std::size_t at = address.find('@');
    const std::string local = address.substr(0, at);
    const std::string domain = address.substr(at + 1);
    const std::string hash = hashed(wish.password);
    if (hash.empty()) return temporary("internal", "this machine cannot hash a password");
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<Added> {
        // Two first users at once would trip over each other in "create table".
        work.exec("select pg_advisory_xact_lock(7220934)");
        if (work.exec("select to_regclass('baton_mailbox_mark')")[0][0].is_null())
            work.exec("create table baton_mailbox_mark (address text not null, mark text not null, "
                      "primary key (address, mark))");
        const pqxx::result made = work.exec_params(
            "insert into mailbox(username, password, name, maildir, quota, domain, local_part) "
            "values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning username",
            address, hash, wish.mailbox.name, fmt::format("{}/{}/", domain, local),
            wish.quota_mb * 1024 * 1024, domain, local);
        if (made.empty()) return Added::existed;
        work.exec_params("insert into alias(address, goto, domain) values ($1::text, $1::text, $2) "
                         "on conflict do nothing",
                         address, domain);
        // Marks of a mailbox of that address that was deleted by somebody else mean nothing now.
        work.exec_params("delete from baton_mailbox_mark where address = $1", address);
        for (const std::string& mark : wish.mailbox.marks)
            work.exec_params("insert into baton_mailbox_mark values ($1, $2) on conflict do nothing",
                             address, mark);
        work.commit();
        return Added::created;
    });
}

Reply<bool> PostfixTables::remove(const std::string& address) const {
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<bool> {
        const auto removed =
            work.exec_params("delete from mailbox where username = $1", address).affected_rows();
        work.exec_params("delete from alias where address = $1::text and goto = $1::text", address);
        if (!work.exec("select to_regclass('baton_mailbox_mark')")[0][0].is_null())
            work.exec_params("delete from baton_mailbox_mark where address = $1", address);
        work.commit();
        return removed > 0;
    });
}

Reply<bool> PostfixTables::lock(const std::string& address) const {
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<bool> {
        const auto changed = work.exec_params("update mailbox set active = false, modified = now() "
                                              "where username = $1",
                                              address)
                                 .affected_rows();
        work.commit();
        return changed > 0;
    });
}

} // namespace baton::workers::mail
