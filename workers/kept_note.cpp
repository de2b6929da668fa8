// See kept_note.hpp.
#include "workers/kept_note.hpp"

#include <boost/json.hpp>

namespace baton::workers {

namespace json = boost::json;

boost::system::result<KeptNote, contract::Problem> KeptNote::take(const std::shared_ptr<KeyLocks>& locks, const std::string& name) {
    KeptNote kept;
    if (!locks) return kept;
    auto held = locks->hold(name, turn_patience);
    if (!held) return no_turn(held.error());
    kept.held_ = std::make_unique<KeyLocks::Held>(std::move(*held));
    const auto text = kept.held_->note();
    if (!text) return no_turn(text.error());
    ErrorCode code;
    json::value read = json::parse(*text, code);
    if (!code && read.is_object()) kept.before_ = std::move(read.get_object());
    return kept;
}

std::optional<contract::Problem> KeptNote::write(const json::object& note) {
    if (!held_) return std::nullopt;
    const auto noted = held_->put_note(json::serialize(note));
    if (noted) return std::nullopt;
    return no_turn(noted.error());
}

} // namespace baton::workers
