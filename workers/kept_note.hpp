// One thing that a target would let be made twice, while one task has it to itself: nobody else looks meanwhile, and a note
// about it, a JSON object, stays with the broker (key_locks.hpp). Without a broker there is neither.
#pragma once

#include "workers/handler.hpp"
#include "workers/key_locks.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <string>

namespace baton::workers {

class KeptNote {
public:
    // Waits until nobody else has it.
    static boost::system::result<KeptNote, contract::Problem> take(const std::shared_ptr<KeyLocks>& locks, const std::string& name);

    // What was noted when we came; empty if nothing was.
    const boost::json::object& before() const { return before_; }
    // On disk when it comes back.
    std::optional<contract::Problem> write(const boost::json::object& note);
    // False: somebody else may have looked meanwhile.
    bool is_held() const { return !held_ || held_->is_valid(); }

private:
    std::unique_ptr<KeyLocks::Held> held_;   // null without a broker
    boost::json::object before_;
};

} // namespace baton::workers
