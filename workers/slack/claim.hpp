// One person or channel while one task works on it, and whose doing it was that it is there (or gone). Slack
// has no place for a mark on either, so the note is the broker's (key_locks.hpp): nobody else works on the
// same meanwhile, and what is begun is noted before it is begun, so that a killed attempt's successor knows its
// own work. Without a broker only what this very attempt did is its own.
#pragma once

#include "workers/kept_note.hpp"
#include "workers/slack/client.hpp"

#include <optional>
#include <string>

namespace baton::workers::slack {

class Claim {
public:
    // Waits until nobody else has it. `what` is "person ada@example.org".
    static Reply<Claim> take(const Settings& settings, const Task& task, const std::string& what);

    // An earlier attempt of this task, or this one, began or did it. `id`: only if it was this one; empty: any.
    bool is_ours(std::string_view id = {}) const;
    // "RUN/STEP", or an idempotency key, did it.
    bool is_by(std::string_view who) const;
    const std::string& id() const { return note_.id; }    // of what was done; empty: begun, or unknown

    // Before the request; after it, with the id; or: it was refused, so nothing was done by us.
    std::optional<contract::Problem> begin();
    std::optional<contract::Problem> done(std::string id);
    std::optional<contract::Problem> refused();

private:
    struct Note {
        std::vector<std::string> by;             // identities of the task
        std::string id;
    };
    std::optional<contract::Problem> write(Note note);

    std::vector<std::string> identities_;
    Note note_;
    Note before_;                                // what was there when we came
    KeptNote kept_;
};

// The identities of a task; of a call without a run its token.
std::vector<std::string> identities_of(const Task& task);

} // namespace baton::workers::slack
