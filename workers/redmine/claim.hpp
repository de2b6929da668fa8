// One thing that Redmine would let be made twice ("user ada"), while one task looks whether it is there and
// makes it; and whose doing it was. Redmine has no unique index and no place for a mark on a user, a project
// or a membership, so both are the broker's (key_locks.hpp): nobody else looks meanwhile, and what was begun
// is noted before it is begun, so that a killed attempt's successor knows its own work.
//
// Without a broker (handlers called by a program of one's own) there is neither; then only what this very
// attempt did is its own.
#pragma once

#include "workers/kept_note.hpp"
#include "workers/redmine/names.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::workers::redmine {

// What the handlers share.
struct Site {
    explicit Site(const Settings& given) : settings(given), client(given), names(client) {}
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;

    Settings settings;
    Client client;
    Names names;
};

// Who a task is, as one line that is kept beside what it makes. Empty for a call without an identity.
std::string mark_of(const Task& task);
// Whether two such lines have an identity in common.
bool is_same_work(std::string_view mark, std::string_view other);

class Claim {
public:
    // Waits until nobody else has it.
    static Reply<Claim> take(const Site& site, const Task& task, const std::string& what);

    // The mark of whoever made what has this id now; empty: nobody knows.
    std::string maker_of(std::int64_t id) const;
    std::string opener_of(std::int64_t id) const;
    bool is_ours(std::int64_t id) const { return is_same_work(maker_of(id), mark_); }
    bool is_opened_by_us(std::int64_t id) const { return is_same_work(opener_of(id), mark_); }

    // Before the request that makes it; after it, with the id; or: it was refused, so nothing was made by us.
    std::optional<contract::Problem> begin();
    std::optional<contract::Problem> made(std::int64_t id);
    std::optional<contract::Problem> refused();
    // Before the request that unlocks it.
    std::optional<contract::Problem> open(std::int64_t id);
    // Before the requests that put it into groups: those of this task, also of an attempt that was killed.
    std::optional<contract::Problem> join(std::int64_t id, std::vector<std::string> groups);
    std::vector<std::string> joined_by_us(std::int64_t id) const;

    // False: somebody else may have looked meanwhile.
    bool is_held() const { return kept_.is_held(); }

private:
    struct Note {
        std::string made_by;
        std::string opened_by;
        std::int64_t id = 0;                 // 0: begun, and not known what became of it
        std::string joined_by = {};
        std::vector<std::string> joined = {};
    };
    std::optional<contract::Problem> write(Note note);

    std::string mark_;
    Note note_;
    Note before_;                            // what was there when we came
    KeptNote kept_;
};

} // namespace baton::workers::redmine
