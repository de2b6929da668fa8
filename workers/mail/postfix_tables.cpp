// Mailboxes as rows, in the tables PostfixAdmin makes (domain, mailbox, alias) plus one of ours,
// baton_mailbox_mark: in one transaction with the mailbox it tells for good whose a mailbox is. Addresses
// are compared without case, since people write them by hand.
#include "workers/mail/accounts.hpp"

#include "base/random.hpp"
#include "workers/mail/address.hpp"
#include "workers/mail/database.hpp"
#include "workers/mail/send.hpp"

#include <fmt/format.h>

#include <crypt.h>

#include <algorithm>

namespace baton::workers::mail {

namespace {

constexpr std::int64_t bytes_of_mb = 1024 * 1024;
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

template <typename Act>
auto in_transaction(const std::string& url, Act&& act) -> decltype(act(std::declval<const Work&>())) {
    decltype(act(std::declval<const Work&>())) answer = temporary("internal", "nothing was done");
    const auto trouble = in_database(url, [&](const Work& work) -> std::optional<contract::Problem> {
        answer = act(work);
        return std::nullopt;
    });
    if (trouble) return *trouble;
    return answer;
}

// --- marks ------------------------------------------------------------------------------------------

constexpr const char* marks_table = "baton_mailbox_mark";

bool has_marks(const Work& work) { return work.has_table(marks_table); }

// First of all in a transaction: MariaDB commits what was before it.
void make_marks(const Work& work) {
    if (has_marks(work)) return;
    if (work.dialect == Dialect::mariadb) {
        work.run("create table if not exists baton_mailbox_mark (address varchar(600) not null, mark varchar(100) not null, "
                 "primary key (address, mark)) engine = InnoDB character set utf8mb4 collate utf8mb4_bin");
        return;
    }
    // Two first users at once would trip over each other in "create table".
    work.run("select pg_advisory_xact_lock(7220934)");
    if (has_marks(work)) return;
    work.run("create table baton_mailbox_mark (address text not null, mark text not null, primary key (address, mark))");
}

std::vector<std::string> marks_on(const Work& work, const std::string& address) {
    std::vector<std::string> marks;
    if (!has_marks(work)) return marks;
    const Rows found = work.run("select mark from baton_mailbox_mark where address = $1", {address});
    for (std::size_t i = 0; i < found.rows.size(); ++i) marks.push_back(found.text(i, 0));
    return marks;
}

void put_marks(const Work& work, const std::string& address, const std::vector<std::string>& marks) {
    for (const std::string& mark : marks) {
        // The other way needs the right to update there; and nothing here is too long to be cut without a word.
        if (work.dialect == Dialect::mariadb)
            work.run("insert ignore into baton_mailbox_mark(address, mark) values ($1, $2)", {address, mark});
        else
            work.insert_unless_there(marks_table, {"address", "mark"}, {address, mark});
    }
}

void drop_marks(const Work& work, const std::string& address) {
    if (has_marks(work)) work.run("delete from baton_mailbox_mark where address = $1", {address});
}

// The marks of one target of one alias or forward.
std::string place_of(const std::string& address, const std::string& target) { return address + " " + target; }

// --- rows -------------------------------------------------------------------------------------------

std::optional<Mailbox> read(const Work& work, const std::string& address, bool to_change) {
    const Rows rows = work.run(
        fmt::format("select name, active, quota from mailbox where lower(username) = $1{}", to_change ? " for update" : ""), {address});
    if (rows.empty()) return std::nullopt;
    return Mailbox{address, rows.text(0, 0), rows.flag(0, 1, true),
                   rows.number(0, 2) / bytes_of_mb, marks_on(work, address)};
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

std::optional<Alias> read_alias(const Work& work, const std::string& address, bool to_change) {
    const Rows rows = work.run(
        fmt::format("select goto, active from alias where lower(address) = $1{}", to_change ? " for update" : ""), {address});
    if (rows.empty()) return std::nullopt;
    return Alias{address, targets_in(rows.text(0, 0)), rows.flag(0, 1, true), {}};
}

void write_targets(const Work& work, const std::string& address, const std::vector<std::string>& targets) {
    work.run("update alias set goto = $2, modified = now() where lower(address) = $1", {address,
                     fmt::format("{}", fmt::join(targets, ","))});
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
Reply<Domain> domain_for(const Work& work, std::string_view address) {
    const std::string name(domain_of(address));
    if (!work.wait_for_turn("domain " + digest_of(name, 32)))
        return temporary("unavailable", fmt::format("others are at work on the domain {} for too long", name));
    const Rows rows = work.run(
        "select domain, active, aliases, mailboxes, maxquota, quota from domain where lower(domain) = $1", {name});
    if (rows.empty()) return permanent("domain_not_found", fmt::format("the mail database has no domain {}", name), 422);
    if (!rows.flag(0, 1, true)) return permanent("domain_inactive", fmt::format("the domain {} is switched off", name), 422);
    return Domain{rows.text(0, 0), rows.number(0, 2), rows.number(0, 3),
                  rows.number(0, 4), rows.number(0, 5)};
}

std::int64_t number(const Rows& rows) { return rows.number(0, 0); }

std::string word_of(bool flag) { return flag ? "1" : "0"; }

std::optional<contract::Problem> check_room(std::int64_t limit, std::int64_t used, std::string_view what, const std::string& domain) {
    if (limit == 0 || (limit > 0 && used < limit)) return std::nullopt;
    return permanent("limit_reached", fmt::format("the domain {} may have {} {}", domain, std::max<std::int64_t>(limit, 0), what), 422);
}

// Nothing said and a domain with a limit: that limit.
Reply<std::int64_t> quota_for(const Work& work, const Domain& domain, const std::string& address, std::int64_t wish_mb, bool is_default) {
    const auto refuse = [](std::string detail) { return permanent("quota_exceeded", std::move(detail), 422); };
    std::int64_t quota_mb = wish_mb;
    if (quota_mb == 0 && is_default && domain.mailbox_quota_mb_max > 0) quota_mb = domain.mailbox_quota_mb_max;
    if (domain.mailbox_quota_mb_max > 0 && (quota_mb == 0 || quota_mb > domain.mailbox_quota_mb_max))
        return refuse(fmt::format("a mailbox of {} may have {} MB", domain.name, domain.mailbox_quota_mb_max));
    if (domain.quota_mb <= 0) return quota_mb;
    if (quota_mb == 0) return refuse(fmt::format("the domain {} has {} MB in all, so a mailbox needs a 'quota_mb'", domain.name, domain.quota_mb));
    const std::int64_t used = number(work.run(
        "select coalesce(sum(quota), 0) from mailbox where domain = $1 and lower(username) <> $2", {domain.name, address}));
    if (used / bytes_of_mb + quota_mb > domain.quota_mb)
        return refuse(fmt::format("the domain {} has {} MB, of which {} are given away", domain.name, domain.quota_mb, used / bytes_of_mb));
    return quota_mb;
}

// An alias of that name takes the mail; a row that only says "itself" is a mailbox's own, left over.
std::optional<contract::Problem> check_alias(const Work& work, const std::string& address) {
    const auto alias = read_alias(work, address, false);
    if (!alias || alias->targets == std::vector<std::string>{address}) return std::nullopt;
    return permanent("conflict", fmt::format("{} is an alias, whose mail goes to {}", address, fmt::join(alias->targets, ", ")), 409);
}

// What becomes of a mailbox that there may be, if `only` lets us.
enum class Leaves : std::uint8_t { nothing, marks };

template <typename Change>
Reply<Changed> change(const std::string& url, const std::string& address, const Only& only, Change&& act, Leaves leaves = Leaves::nothing) {
    return in_transaction(url, [&](const Work& work) -> Reply<Changed> {
        if (leaves == Leaves::marks) make_marks(work);
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
    return in_transaction(settings_.database_url, [&](const Work& work) -> Reply<std::optional<Mailbox>> { return read(work, address, false); });
}

Reply<std::optional<Alias>> PostfixTables::find_alias(const std::string& address) const {
    return in_transaction(settings_.database_url, [&](const Work& work) -> Reply<std::optional<Alias>> { return read_alias(work, address, false); });
}

Reply<Added> PostfixTables::add(const NewMailbox& wish) const {
    const std::string& address = wish.mailbox.address;
    const std::string hash = hashed(wish.password);
    if (hash.empty()) return temporary("internal", "this machine cannot hash a password");
    return in_transaction(settings_.database_url, [&](const Work& work) -> Reply<Added> {
        make_marks(work);
        const auto domain = domain_for(work, address);
        if (!domain) return domain.error();
        if (read(work, address, false)) return Added::existed;
        if (auto problem = check_alias(work, address)) return *problem;
        const std::int64_t used = number(work.run("select count(*) from mailbox where domain = $1", {domain->name}));
        if (auto problem = check_room(domain->mailboxes_max, used, "mailboxes", domain->name)) return *problem;
        const auto quota_mb = quota_for(work, *domain, address, wish.mailbox.quota_mb, true);
        if (!quota_mb) return quota_mb.error();
        // Never a path that somebody had before: mail may still lie there, and it is not for the new owner.
        const std::string local(local_part(address));
        const std::string folder = fmt::format("{}/{}-{}/", domain_of(address), local, digest_of(random_name(22), 10));
        const Rows made = work.insert_unless_there("mailbox", {"username", "password", "name", "maildir", "quota", "domain", "local_part"},
                                                   {address, hash, wish.mailbox.name, folder, std::to_string(*quota_mb * bytes_of_mb),
                                                    domain->name, local}, Stamps::set);
        if (made.changed == 0) return Added::existed;
        work.insert_unless_there("alias", {"address", "goto", "domain"}, {address, address, domain->name}, Stamps::set);
        // Marks of a mailbox of that address that was deleted by somebody else mean nothing now.
        drop_marks(work, address);
        put_marks(work, address, wish.mailbox.marks);
        work.commit();
        return Added::created;
    });
}

Reply<Changed> PostfixTables::remove(const std::string& address, const Only& only) const {
    return change(settings_.database_url, address, only, [&](const Work& work, const Mailbox&) -> std::optional<contract::Problem> {
        work.run("delete from mailbox where lower(username) = $1", {address});
        work.run("delete from alias where lower(address) = $1", {address});
        drop_marks(work, address);
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::set_active(const std::string& address, bool is_active, const Only& only) const {
    return change(settings_.database_url, address, only, [&](const Work& work, const Mailbox& mailbox) -> std::optional<contract::Problem> {
        work.run("update mailbox set active = $2, modified = now() where lower(username) = $1", {address, word_of(is_active)});
        // A mail server looks at aliases first: with its own one active, mail would be taken and come back later.
        const auto alias = read_alias(work, address, true);
        const bool is_own = alias && alias->targets == std::vector<std::string>{address};
        const bool is_archived = std::find(mailbox.marks.begin(), mailbox.marks.end(), archived_mark) != mailbox.marks.end();
        if (is_active && is_archived) write_targets(work, address, {address});
        if (is_active || is_own)
            work.run("update alias set active = $2, modified = now() where lower(address) = $1", {address, word_of(is_active)});
        if (is_active && is_archived)
            work.run("delete from baton_mailbox_mark where address = $1 and mark = $2", {address, std::string(archived_mark)});
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::archive(const std::string& address, const std::string& forward_to) const {
    return change(settings_.database_url, address, {}, [&](const Work& work, const Mailbox&) -> std::optional<contract::Problem> {
        work.run("update mailbox set active = false, modified = now() where lower(username) = $1", {address});
        work.run("update alias set goto = $2, active = $3, modified = now() where lower(address) = $1",
                 {address, forward_to.empty() ? address : forward_to, word_of(!forward_to.empty())});
        put_marks(work, address, {std::string(archived_mark)});
        return std::nullopt;
    }, Leaves::marks);
}

Reply<Changed> PostfixTables::set_quota(const std::string& address, std::int64_t quota_mb) const {
    return change(settings_.database_url, address, {}, [&](const Work& work, const Mailbox&) -> std::optional<contract::Problem> {
        const auto domain = domain_for(work, address);
        if (!domain) return domain.error();
        const auto allowed = quota_for(work, *domain, address, quota_mb, false);
        if (!allowed) return allowed.error();
        work.run("update mailbox set quota = $2, modified = now() where lower(username) = $1", {address, std::to_string(*allowed * bytes_of_mb)});
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::set_password(const std::string& address, const std::string& password) const {
    const std::string hash = hashed(password);
    if (hash.empty()) return temporary("internal", "this machine cannot hash a password");
    return change(settings_.database_url, address, {}, [&](const Work& work, const Mailbox&) -> std::optional<contract::Problem> {
        work.run("update mailbox set password = $2, modified = now() where lower(username) = $1", {address, hash});
        return std::nullopt;
    });
}

Reply<Changed> PostfixTables::add_mark(const std::string& address, const std::string& mark) const {
    return change(settings_.database_url, address, {}, [&](const Work& work, const Mailbox&) -> std::optional<contract::Problem> {
        put_marks(work, address, {mark});
        return std::nullopt;
    }, Leaves::marks);
}

Reply<Added> PostfixTables::add_target(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const {
    return in_transaction(settings_.database_url, [&](const Work& work) -> Reply<Added> {
        make_marks(work);
        const auto domain = domain_for(work, address);
        if (!domain) return domain.error();
        const bool is_mailbox = read(work, address, false).has_value();
        auto alias = read_alias(work, address, true);
        if (!alias && !is_mailbox) {
            const std::int64_t used = number(work.run(
                "select count(*) from alias where domain = $1 and not exists (select 1 from mailbox where username = alias.address)", {domain->name}));
            if (auto problem = check_room(domain->aliases_max, used, "aliases", domain->name)) return *problem;
        }
        if (!alias) {
            work.run("insert into alias(address, goto, domain, created, modified) values ($1, $2, $3, now(), now())", {address,
                             is_mailbox ? address : target, domain->name});
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
    return in_transaction(settings_.database_url, [&](const Work& work) -> Reply<Changed> {
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
            work.run("delete from alias where lower(address) = $1", {address});
        else
            write_targets(work, address, rest);
        work.commit();
        return Changed::done;
    });
}

} // namespace baton::workers::mail
