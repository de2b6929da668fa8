// Is the result known already? A step with a cache asks before its task is sent; who keeps results
// answers, and if nobody does the task is sent a little later.
#include "orchestrator/core/decide/decider.hpp"
#include "orchestrator/core/event_key.hpp"

#include <boost/json/object.hpp>

#include <set>
#include <utility>

namespace baton::orchestrator::core {

namespace {
constexpr Duration patience = std::chrono::seconds(5);
// What is larger is cheaper to make again than to carry around.
constexpr std::size_t kept_bytes_max = 1024 * 1024;
} // namespace

Evaluated<std::string> Decider::key_of_result(Place place) const {
    auto own = judge_.text(step(place).cache->key, reading(place), "cache.key");
    if (own) *own = result_key(workflow_.name, step(place).path, *own);
    return own;
}

// What an operator lets run again is meant to be done again.
void Decider::begin_task(Place place) {
    if (!step(place).cache || asks(place) || rerun_of(place) != 0) return dispatch(place, false);
    const auto key = key_of_result(place);
    if (!key) return give_up(place, key.error(), "not_retryable", {});
    boost::json::object asked{{"key", *key},
                              {"since", to_rfc3339(now_ - step(place).cache->max_age)}};
    begin_wait(place, {{"result", std::move(asked)}}, now_ + patience);
}

// In a pause nothing begins, and nobody asks behind it.
void Decider::on(const ResultKnown& event) {
    made_.ignored = true;
    for (const Place place : std::set(run().begun)) {
        const auto asked = awaited_result(state(place).wait);
        if (!asked || asked->key != event.key || run().status != RunStatus::running) continue;
        made_.ignored = false;
        if (event.run.empty() || event.at < asked->since) {
            dispatch(place, false);
            continue;
        }
        note(fact::ResultFound{address(place), event.run});
        complete(place, event.result, false);
    }
    if (!made_.ignored) go_on();
}

void Decider::keep_result(Place place, const Document& raw) {
    if (!step(place).cache || raw.text().size() > kept_bytes_max) return;
    if (const auto key = key_of_result(place))
        note(fact::ResultKept{address(place), *key, now_ + step(place).cache->max_age});
}

} // namespace baton::orchestrator::core
