// Mailboxes as rows, in the tables PostfixAdmin makes (domain, mailbox, alias) plus one of ours,
// baton_mailbox_mark: in one transaction with the mailbox it tells for good whose a mailbox is. Addresses
// are compared without case, since people write them by hand. libpqxx throws; here that ends.
#include "workers/mail/accounts.hpp"

#include "base/random.hpp"
#include "workers/mail/address.hpp"
#include "workers/mail/connect_reason.hpp"
#include "workers/mail/send.hpp"

#include <pqxx/pqxx>

#include <fmt/format.h>

#include <crypt.h>

#include <algorithm>

namespace baton::workers::mail {

namespace {

constexpr std::int64_t bytes_of_mb = 1024 * 1024;
constexpr Duration pause_of_database = std::chrono::seconds(10);
// On a mailbox whose alias was turned by mail.archive.
constexpr std::string_view archived_mark = "archived";

// SHA512-CRYPT in dovecot's notation. The salt alphabet is that of crypt(3).
std::string hashed(const std::string& password) {
    crypt_data data{};
    std::string salt = random_name(16);
    for (char& c : salt)
        if (c == '-' || c == '_') c = '.';
    const char* hash = ::crypt_r(password.c_str(), ("$6$" + salt).c_str(), &data);
    return hash && hash[0] == '$' ? "{SHA512-CRYPT}" + std::string(hash) : std::string{};
}

// README.md has this as a table.
contract::Problem problem_of_state(const std::string& state, const std::string& said) {
    const std::string detail = fmt::format("the mail database: {} ({})", said, state);
    const auto is_of = [&state](std::string_view prefix) { return state.starts_with(prefix); };
    if (state == "23503") return permanent("domain_not_found", "the mail database has no such domain", 422);
    if (state == "42501") return configuration("unauthorized", detail + "; worker mail's README says which rights it needs");
    if (state == "42P01" || state == "42703" || state == "3F000" || state == "3D000")
        return configuration("configuration", detail + "; it needs the tables PostfixAdmin makes");
    if (is_of("28")) return configuration("unauthorized", "the mail database does not let this user in (" + state + ")");
    if (state == "25006") return configuration("read_only", "the mail database takes no changes: a standby? (" + state + ")");
    if (is_of("22")) return permanent("invalid_input", "the mail database does not take a value (" + state + ")", 422);
    if (is_of("23")) return permanent("conflict", detail, 409);
    // Too many connections, no memory, disk full, starting, stopping: said before anything is done.
    if (is_of("53") || state == "57P03") return not_now("unavailable", detail, pause_of_database);
    // Connection, operator, deadlock and whatever else: later.
    return temporary("unavailable", detail);
}

// This libpqxx leaves the state out of some of its kinds.
std::string state_of(const pqxx::sql_error& error) {
    if (!error.sqlstate().empty()) return error.sqlstate();
    if (dynamic_cast<const pqxx::insufficient_privilege*>(&error)) return "42501";
    if (dynamic_cast<const pqxx::undefined_table*>(&error)) return "42P01";
    if (dynamic_cast<const pqxx::undefined_column*>(&error)) return "42703";
    if (dynamic_cast<const pqxx::foreign_key_violation*>(&error)) return "23503";
    if (dynamic_cast<const pqxx::integrity_constraint_violation*>(&error)) return "23000";
    if (dynamic_cast<const pqxx::data_exception*>(&error)) return "22000";
    if (dynamic_cast<const pqxx::insufficient_resources*>(&error)) return "53000";
    return "unknown";
}

contract::Problem no_connection(const std::string& url) {
    const std::string state = connect_reason(url);
    // What libpq says may hold the URL's parts; the fact is enough.
    if (state.empty()) return temporary("unavailable", "the mail database cannot be reached");
    return problem_of_state(state, "it refuses the connection");
}

template <typename Work>
auto in_transaction(const std::string& plain_url, Work&& work) -> decltype(work(std::declval<pqxx::work&>())) {
    const std::string url = with_limits(plain_url);
    bool is_connected = false;
    try {
        pqxx::connection connection(url);
        is_connected = true;
        pqxx::work transaction(connection);
        return work(transaction);
    } catch (const pqxx::broken_connection&) {
        return is_connected ? temporary("unavailable", "the mail database went away") : no_connection(url);
    } catch (const pqxx::in_doubt_error&) {
        return temporary("unavailable", "the mail database went away during the commit");
    } catch (const pqxx::sql_error& error) {
        std::string said = error.what();
        return problem_of_state(state_of(error), said.substr(0, said.find('\n')));
    } catch (const pqxx::failure& error) {
        return temporary("unavailable", fmt::format("the mail database: {}", error.what()));
    }
}

// --- marks ------------------------------------------------------------------------------------------

bool has_marks(pqxx::work& work) { return !work.exec("select to_regclass('baton_mailbox_mark')")[0][0].is_null(); }

void make_marks(pqxx::work& work) {
    if (has_marks(work)) return;
    // Two first users at once would trip over each other in "create table".
    work.exec("select pg_advisory_xact_lock(7220934)");
    if (has_marks(work)) return;
    work.exec("create table baton_mailbox_mark (address text not null, mark text not null, primary key (address, mark))");
}

std::vector<std::string> marks_on(pqxx::work& work, const std::string& address) {
    std::vector<std::string> marks;
    if (!has_marks(work)) return marks;
    for (const auto& row : work.exec_params("select mark from baton_mailbox_mark where address = $1", address))
        marks.push_back(row[0].as<std::string>());
    return marks;
}

void put_marks(pqxx::work& work, const std::string& address, const std::vector<std::string>& marks) {
    make_marks(work);
    for (const std::string& mark : marks)
        work.exec_params("insert into baton_mailbox_mark(address, mark) values ($1, $2) on conflict do nothing", address, mark);
}

void drop_marks(pqxx::work& work, const std::string& address) {
    if (has_marks(work)) work.exec_params("delete from baton_mailbox_mark where address = $1", address);
}

// The marks of one target of one alias or forward.
std::string place_of(const std::string& address, const std::string& target) { return address + " " + target; }

// --- rows -------------------------------------------------------------------------------------------

std::optional<Mailbox> read(pqxx::work& work, const std::string& address, bool to_change) {
    const pqxx::result rows = work.exec_params(
        fmt::format("select name, active, quota from mailbox where lower(username) = $1{}", to_change ? " for update" : ""), address);
    if (rows.empty()) return std::nullopt;
    return Mailbox{address, rows[0][0].as<std::string>(""), rows[0][1].as<bool>(true),
                   rows[0][2].as<std::int64_t>(0) / bytes_of_mb, marks_on(work, address)};
}

std::vector<std::string> targets_in(const std::string& list) {
    std::vector<std::string> targets;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find_first_of(",\r\n", begin), list.size());
        std::string target = lower(list.substr(begin, end - begin));
        std::erase_if(target, [](char c) { return c == ' ' || c == '\t'; });
        if (!target.empty()) targets.push_back(std::move(target));
        begin = end + 1;
    }
    return targets;
}

std::optional<Alias> read_alias(pqxx::work& work, const std::string& address, bool to_change) {
    const pqxx::result rows = work.exec_params(
        fmt::format("select goto, active from alias where lower(address) = $1{}", to_change ? " for update" : ""), address);
    if (rows.empty()) return std::nullopt;
    return Alias{address, targets_in(rows[0][0].as<std::string>("")), rows[0][1].as<bool>(true), {}};
}

void write_targets(pqxx::work& work, const std::string& address, const std::vector<std::string>& targets) {
    work.exec_params("update alias set goto = $2, modified = now() where lower(address) = $1", address,
                     fmt::format("{}", fmt::join(targets, ",")));
}

// --- domains ----------------------------------------------------------------------------------------

struct Domain {
    std::string name;                          // as it is spelled there
    std::int64_t aliases_max = 0;              // 0: as many as one likes; below: none
    std::int64_t mailboxes_max = 0;
    std::int64_t mailbox_quota_mb_max = 0;
    std::int64_t quota_mb = 0;
};

// Two that would both be the last one allowed wait for each other.
Reply<Domain> domain_for(pqxx::work& work, std::string_view address) {
    const std::string name(domain_of(address));
    work.exec_params("select pg_advisory_xact_lock(7220935, hashtext($1))", name);
    const pqxx::result rows = work.exec_params(
        "select domain, active, aliases, mailboxes, maxquota, quota from domain where lower(domain) = $1", name);
    if (rows.empty()) return permanent("domain_not_found", fmt::format("the mail database has no domain {}", name), 422);
    if (!rows[0][1].as<bool>(true)) return permanent("domain_inactive", fmt::format("the domain {} is switched off", name), 422);
    return Domain{rows[0][0].as<std::string>(), rows[0][2].as<std::int64_t>(0), rows[0][3].as<std::int64_t>(0),
                  rows[0][4].as<std::int64_t>(0), rows[0][5].as<std::int64_t>(0)};
}

std::int64_t number(const pqxx::result& rows) { return rows[0][0].as<std::int64_t>(0); }

std::optional<contract::Problem> check_room(std::int64_t limit, std::int64_t used, std::string_view what, const std::string& domain) {
    if (limit == 0 || (limit > 0 && used < limit)) return std::nullopt;
    return permanent("limit_reached", fmt::format("the domain {} may have {} {}", domain, std::max<std::int64_t>(limit, 0), what), 422);
}

// Nothing said and a domain with a limit: that limit.
Reply<std::int64_t> quota_for(pqxx::work& work, const Domain& domain, const std::string& address, std::int64_t wish_mb, bool is_default) {
    const auto refuse = [](std::string detail) { return permanent("quota_exceeded", std::move(detail), 422); };
    std::int64_t quota_mb = wish_mb;
    if (quota_mb == 0 && is_default && domain.mailbox_quota_mb_max > 0) quota_mb = domain.mailbox_quota_mb_max;
    if (domain.mailbox_quota_mb_max > 0 && (quota_mb == 0 || quota_mb > domain.mailbox_quota_mb_max))
        return refuse(fmt::format("a mailbox of {} may have {} MB", domain.name, domain.mailbox_quota_mb_max));
    if (domain.quota_mb <= 0) return quota_mb;
    if (quota_mb == 0) return refuse(fmt::format("the domain {} has {} MB in all, so a mailbox needs a 'quota_mb'", domain.name, domain.quota_mb));
    const std::int64_t used = number(work.exec_params(
        "select coalesce(sum(quota), 0) from mailbox where domain = $1 and lower(username) <> $2", domain.name, address));
    if (used / bytes_of_mb + quota_mb > domain.quota_mb)
        return refuse(fmt::format("the domain {} has {} MB, of which {} are given away", domain.name, domain.quota_mb, used / bytes_of_mb));
    return quota_mb;
}

// An alias of that name takes the mail; a row that only says "itself" is a mailbox's own, left over.
std::optional<contract::Problem> check_alias(pqxx::work& work, const std::string& address) {
    const auto alias = read_alias(work, address, false);
    if (!alias || alias->targets == std::vector<std::string>{address}) return std::nullopt;
    return permanent("conflict", fmt::format("{} is an alias, whose mail goes to {}", address, fmt::join(alias->targets, ", ")), 409);
}

// What becomes of a mailbox that there may be, if `only` lets us.
template <typename Change>
Reply<Changed> change(const std::string& url, const std::string& address, const Only& only, Change&& act) {
    return in_transaction(url, [&](pqxx::work& work) -> Reply<Changed> {
        const auto mailbox = read(work, address, true);
        if (!mailbox) return Changed::absent;
        if (!may_touch(only, mailbox->marks)) return Changed::foreign;
        if (std::optional<contract::Problem> problem = act(work, *mailbox)) return *problem;
        work.commit();
        return Changed::done;
    });
}

} // namespace

Reply<std::optional<Mailbox>> PostfixTables::find(const std::string& address) const {
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<std::optional<Mailbox>> { return read(work, address, false); });
}

Reply<std::optional<Alias>> PostfixTables::find_alias(const std::string& address) const {
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<std::optional<Alias>> { return read_alias(work, address, false); });
}

Reply<Added> PostfixTables::add(const NewMailbox& wish) const {
    const std::string& address = wish.mailbox.address;
    const std::string hash = hashed(wish.password);
    if (hash.empty()) return temporary("internal", "this machine cannot hash a password");
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<Added> {
        const auto domain = domain_for(work, address);
        if (!domain) return domain.error();
        if (read(work, address, false)) return Added::existed;
        if (auto problem = check_alias(work, address)) return *problem;
        const std::int64_t used = number(work.exec_params("select count(*) from mailbox where domain = $1", domain->name));
        if (auto problem = check_room(domain->mailboxes_max, used, "mailboxes", domain->name)) return *problem;
        const auto quota_mb = quota_for(work, *domain, address, wish.mailbox.quota_mb, true);
        if (!quota_mb) return quota_mb.error();
        // Never a path that somebody had before: mail may still lie there, and it is not for the new owner.
        const std::string local(local_part(address));
        const std::string folder = fmt::format("{}/{}-{}/", domain_of(address), local, digest_of(random_name(22), 10));
        const pqxx::result made = work.exec_params(
            "insert into mailbox(username, password, name, maildir, quota, domain, local_part, created, modified) "
            "values ($1, $2, $3, $4, $5, $6, $7, now(), now()) on conflict do nothing returning username",
            address, hash, wish.mailbox.name, folder, *quota_mb * bytes_of_mb, domain->name, local);
        if (made.empty()) return Added::existed;
        work.exec_params("insert into alias(address, goto, domain, created, modified) values ($1::text, $1::text, $2, now(), now()) "
                         "on conflict do nothing",
                         address, domain->name);
        // Marks of a mailbox of that address that was deleted by somebody else mean nothing now.
        drop_marks(work, address);
        put_marks(work, address, wish.mailbox.marks);
        work.commit();
        return Added::created;
    });
}

Reply<Changed> PostfixTables::remove(const std::string& address, const Only& only) const {
    return change(settings_.database_url, address, only, [&](pqxx::work& work, const Mailbox&) -> std::optional<contract::Problem> {
        work.exec_params("delete from mailbox where lower(username) = $1", address);
        work.exec_params("delete from alias where lower(address) = $1", address);
        drop_marks(work, address);
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::set_active(const std::string& address, bool is_active, const Only& only) const {
    return change(settings_.database_url, address, only, [&](pqxx::work& work, const Mailbox& mailbox) -> std::optional<contract::Problem> {
        work.exec_params("update mailbox set active = $2, modified = now() where lower(username) = $1", address, is_active);
        // A mail server looks at aliases first: with its own one active, mail would be taken and come back later.
        const auto alias = read_alias(work, address, true);
        const bool is_own = alias && alias->targets == std::vector<std::string>{address};
        const bool is_archived = std::find(mailbox.marks.begin(), mailbox.marks.end(), archived_mark) != mailbox.marks.end();
        if (is_active && is_archived) write_targets(work, address, {address});
        if (is_active || is_own)
            work.exec_params("update alias set active = $2, modified = now() where lower(address) = $1", address, is_active);
        if (is_active && is_archived)
            work.exec_params("delete from baton_mailbox_mark where address = $1 and mark = $2", address, std::string(archived_mark));
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::archive(const std::string& address, const std::string& forward_to) const {
    return change(settings_.database_url, address, {}, [&](pqxx::work& work, const Mailbox&) -> std::optional<contract::Problem> {
        work.exec_params("update mailbox set active = false, modified = now() where lower(username) = $1", address);
        work.exec_params("update alias set goto = $2, active = $3, modified = now() where lower(address) = $1", address,
                         forward_to.empty() ? address : forward_to, !forward_to.empty());
        put_marks(work, address, {std::string(archived_mark)});
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::set_quota(const std::string& address, std::int64_t quota_mb) const {
    return change(settings_.database_url, address, {}, [&](pqxx::work& work, const Mailbox&) -> std::optional<contract::Problem> {
        const auto domain = domain_for(work, address);
        if (!domain) return domain.error();
        const auto allowed = quota_for(work, *domain, address, quota_mb, false);
        if (!allowed) return allowed.error();
        work.exec_params("update mailbox set quota = $2, modified = now() where lower(username) = $1", address, *allowed * bytes_of_mb);
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::set_password(const std::string& address, const std::string& password) const {
    const std::string hash = hashed(password);
    if (hash.empty()) return temporary("internal", "this machine cannot hash a password");
    return change(settings_.database_url, address, {}, [&](pqxx::work& work, const Mailbox&) -> std::optional<contract::Problem> {
        work.exec_params("update mailbox set password = $2, modified = now() where lower(username) = $1", address, hash);
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::add_mark(const std::string& address, const std::string& mark) const {
    return change(settings_.database_url, address, {}, [&](pqxx::work& work, const Mailbox&) -> std::optional<contract::Problem> {
        put_marks(work, address, {mark});
        return std::nullopt;
    });
}

Reply<Added> PostfixTables::add_target(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const {
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<Added> {
        const auto domain = domain_for(work, address);
        if (!domain) return domain.error();
        const bool is_mailbox = read(work, address, false).has_value();
        auto alias = read_alias(work, address, true);
        if (!alias && !is_mailbox) {
            const std::int64_t used = number(work.exec_params(
                "select count(*) from alias where domain = $1 and not exists (select 1 from mailbox where username = alias.address)",
                domain->name));
            if (auto problem = check_room(domain->aliases_max, used, "aliases", domain->name)) return *problem;
        }
        if (!alias) {
            work.exec_params("insert into alias(address, goto, domain, created, modified) values ($1, $2, $3, now(), now())", address,
                             is_mailbox ? address : target, domain->name);
            alias = Alias{address, {is_mailbox ? address : target}, true, {}};
            if (!is_mailbox) put_marks(work, place_of(address, target), marks);
        }
        const bool is_there = alias->goes_to(target);
        std::vector<std::string> targets = alias->targets;
        if (!is_there) targets.push_back(target);
        if (is_mailbox && !keeps_copy) std::erase(targets, address);
        if (is_mailbox && keeps_copy && !alias->goes_to(address)) targets.insert(targets.begin(), address);
        if (targets != alias->targets) write_targets(work, address, targets);
        if (!is_there) {
            drop_marks(work, place_of(address, target));
            put_marks(work, place_of(address, target), marks);
        }
        const bool is_own = is_there && !marks.empty() && may_touch(marks, marks_on(work, place_of(address, target)));
        work.commit();
        return !is_there || is_own ? Added::created : Added::existed;
    });
}

Reply<Changed> PostfixTables::remove_target(const std::string& address, const std::string& target, const Only& only) const {
    return in_transaction(settings_.database_url, [&](pqxx::work& work) -> Reply<Changed> {
        const bool is_mailbox = read(work, address, false).has_value();
        const auto alias = read_alias(work, address, true);
        if (!alias || (!target.empty() && !alias->goes_to(target))) return Changed::absent;
        if (!may_touch(only, marks_on(work, place_of(address, target)))) return Changed::foreign;
        std::vector<std::string> rest = alias->targets;
        std::erase_if(rest, [&](const std::string& one) { return target.empty() ? one != address : one == target; });
        for (const std::string& gone : alias->targets)
            if (std::find(rest.begin(), rest.end(), gone) == rest.end()) drop_marks(work, place_of(address, gone));
        // A mailbox whose last forward ends gets its own mail again.
        if (rest.empty() && is_mailbox) rest.push_back(address);
        if (rest == alias->targets) return Changed::absent;
        if (rest.empty())
            work.exec_params("delete from alias where lower(address) = $1", address);
        else
            write_targets(work, address, rest);
        work.commit();
        return Changed::done;
    });
}

} // namespace baton::workers::mail
