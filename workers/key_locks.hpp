// Locks that all processes of a worker share, through the broker: who works on the user "ada" has the
// exclusive queue of that name, and a killed process loses it with its connection. Beside each lock there
// can be a note, a line that outlives the process: what was begun under the lock, and by whom. For targets
// that have neither unique keys nor a place for such a mark.
//
//   lock  baton.lock.<hash of the key>   exclusive: gone with the connection that has it
//   note  baton.note.<hash of the key>   durable, one message, forgotten after 30 days without a look
//
// A lock is lost when the connection is; who holds it asks is_valid() before doing what only the holder
// may. The user of the broker needs configure, write and read on ^baton\.(lock|note)\. there.
// Any thread may call and is blocked meanwhile; inside, one thread with a connection of its own.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "contract/task_message.hpp"

#include <memory>
#include <string>

namespace baton::workers {

class KeyLocks {
public:
    // `name` is shown by the broker's tools. Connects in the background. The URL must be a good one.
    KeyLocks(const std::string& broker_url, const std::string& name);
    ~KeyLocks();

    // What is known of the lock as long as it lives; gives it back at its end.
    class Held {
    public:
        Held(Held&&) noexcept;
        ~Held();

        bool is_valid() const;
        // The note of this key; empty if there is none.
        Outcome<std::string> note() const;
        // On disk when it comes back.
        Outcome<void> put_note(std::string text) const;

    private:
        friend class KeyLocks;
        struct Place;
        explicit Held(std::unique_ptr<Place> place);
        std::unique_ptr<Place> place_;
    };

    // Waits for those before us, for `patience` at most. The error is access_refused if the broker does
    // not let us.
    Outcome<Held> hold(std::string key, Duration patience);

private:
    struct Inside;
    std::shared_ptr<Inside> inside_;
};

// Twenty tasks for one key take their turns within this.
inline constexpr Duration turn_patience = std::chrono::seconds(45);

// What a task answers that did not get the lock, or whose note could not be read or written.
contract::Problem no_turn(const Failure& reason);

} // namespace baton::workers
