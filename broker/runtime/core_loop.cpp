#include "broker/runtime/core_loop.hpp"

#include "base/assert.hpp"
#include "broker/runtime/inlet.hpp"

#include <algorithm>
#include <utility>

namespace baton::broker::runtime {

CoreLoop::CoreLoop(core::Options options, const Clock& clock, CoreSinks sinks)
    : broker_(std::move(options)),
      clock_(clock),
      sinks_(std::move(sinks)),
      posted_([this] { sinks_.wake(); }),
      handed_in_([this] { sinks_.wake(); }) {}

void CoreLoop::finish_recovery(core::RecordNumber last_number) {
    turn_.clear();
    now_ = clock_.now();
    broker_.finish_recovery(last_number, now_, turn_);
    hand_out();
}

void CoreLoop::begin() {
    BATON_ASSERT(!in_turn_, "turns do not nest");
    in_turn_ = true;
    turn_.clear();
    now_ = clock_.now();
    if (sinks_.outside_memory)
        broker_.note_outside_memory(sinks_.outside_memory(broker_.memory()));
}

void CoreLoop::end() {
    broker_.finish(now_, turn_);
    in_turn_ = false;
    hand_out();
}

void CoreLoop::apply(core::Event event) {
    begin();
    broker_.apply(std::move(event), now_, turn_);
    end();
}

void CoreLoop::tick() {
    alarm_.reset();
    apply(core::Ticked{});
}

void CoreLoop::hand_out() {
    last_turn_ = turn_.number;
    if (const auto version = broker_.topology_version(); version != told_version_) {
        told_version_ = version;
        if (sinks_.defined) sinks_.defined(version);
    }
    hand_out_commands(turn_.commands);
    if (turn_.shortage && sinks_.shortage) [[unlikely]]
        sinks_.shortage(*turn_.shortage);
    if (!turn_.emptied.empty() && sinks_.emptied) [[unlikely]]
        sinks_.emptied(turn_.emptied);
    const bool waits = turn_.waits_for_journal();
    const bool has_records = !turn_.records.empty();
    const bool pages =
        !turn_.pages_out.empty() || !turn_.loads.empty() || !turn_.pages_gone.empty();
    // It waits for records of others, which may be kept back.
    const bool hurries = waits && turn_.is_urgent && !is_settled();
    if (has_records || turn_.forget_below || pages || hurries) {
        // A turn without records has nothing to be synced; it waits for those before it.
        const bool needs_sync = waits && has_records;
        if (needs_sync) last_synced_ = turn_.number;
        // The next turn will be about as large.
        std::vector<core::Record> next;
        next.reserve(std::min<std::size_t>(turn_.records.size(), 1024));
        sinks_.journal({.turn = turn_.number,
                        .first_record = turn_.first_record,
                        .records = std::exchange(turn_.records, std::move(next)),
                        .needs_sync = needs_sync,
                        .is_urgent = turn_.is_urgent || turn_.forget_below || pages,
                        .forget_below = turn_.forget_below,
                        .pages_out = std::exchange(turn_.pages_out, {}),
                        .loads = std::exchange(turn_.loads, {}),
                        .pages_gone = std::exchange(turn_.pages_gone, {})});
    }
    if (waits) {
        if (has_records || !is_settled()) {
            const bool is_entrusted = !turn_.is_urgent && !turn_.entrusted.empty();
            std::deque<Waiting>& list = turn_.is_urgent ? waiting_ : is_entrusted ? entrusted_ : own_;
            Waiting& one = list.emplace_back();
            one.turn = turn_.number;
            one.needs = last_synced_;
            one.commands = std::exchange(turn_.commands_when_durable, {});
            one.answers = std::exchange(turn_.answers, {});
            if (is_entrusted) {
                one.entrusted = turn_.entrusted;
                one.unsettled = turn_.entrusted.size();
                for (const core::RecordNumber record : one.entrusted)
                    entrusted_records_.emplace(record, one.turn);
            }
        } else {
            hand_out_commands(turn_.commands_when_durable);
            answer(turn_.answers);
        }
    }
    if (!turn_.settled.empty()) note_settled();
    if (is_settled()) broker_.durable_up_to(turn_.number);
    set_alarm();
}

void CoreLoop::durable_up_to(core::TurnNumber turn) {
    // In the order of the turns: what one channel is told may be in several lists.
    for (;;) {
        std::deque<Waiting>* next = nullptr;
        for (std::deque<Waiting>* list : {&waiting_, &entrusted_, &own_})
            if (!list->empty() && list->front().needs <= turn &&
                (next == nullptr || list->front().turn < next->front().turn))
                next = list;
        if (next == nullptr) break;
        end_waiting(*next);
    }
    hand_out_settled();
    broker_.durable_up_to(is_settled() ? last_turn_ : turn);
    set_alarm();
}

void CoreLoop::end_waiting(std::deque<Waiting>& list) {
    Waiting ready = std::move(list.front());
    list.pop_front();
    if (&list == &entrusted_ && handed_out_ != 0) --handed_out_;
    for (const core::RecordNumber record : ready.entrusted)
        entrusted_records_.erase(record);
    hand_out_commands(ready.commands);
    answer(ready.answers);
}

void CoreLoop::note_settled() {
    for (const core::RecordNumber record : turn_.settled) {
        const auto found = entrusted_records_.find(record);
        if (found == entrusted_records_.end()) continue;
        const auto at = std::ranges::lower_bound(entrusted_, found->second, {}, &Waiting::turn);
        --at->unsettled;
        entrusted_records_.erase(found);
    }
    hand_out_settled();
}

// Whoever waited hears of it now; the turn itself stays in the list until the journal has it. Not before what
// is older: its confirms may speak for the same channel.
void CoreLoop::hand_out_settled() {
    while (handed_out_ < entrusted_.size()) {
        Waiting& next = entrusted_[handed_out_];
        if (next.unsettled != 0 || (!waiting_.empty() && waiting_.front().turn < next.turn)) return;
        ++handed_out_;
        hand_out_commands(next.commands);
        next.commands.clear();
    }
}

void CoreLoop::hand_out_commands(std::vector<core::Command>& commands) {
    if (commands.empty()) return;
    sinks_.commands(commands);
}

void CoreLoop::answer(const std::vector<core::Answer>& answers) {
    for (const core::Answer& answer : answers) {
        const auto found = receivers_.find(answer.request);
        if (found == receivers_.end()) continue;
        const AnswerReceiver receiver = std::move(found->second);
        receivers_.erase(found);
        receiver(answer);
    }
}

void CoreLoop::set_alarm() {
    const std::optional<Time> next = broker_.next_deadline();
    if (next == alarm_) return;
    alarm_ = next;
    sinks_.alarm(next);
}

void CoreLoop::administer(core::AdministrationRequest wish, AnswerReceiver receiver) {
    const core::RequestId request{++last_request_};
    receivers_.emplace(request, std::move(receiver));
    apply(core::AdministrationAsked{request, std::move(wish)});
}

void CoreLoop::post(std::function<void(CoreLoop&)> work) {
    posted_.put(std::move(work));
}

void CoreLoop::hand_in(Inlet& home, std::unique_ptr<EventBatch> batch) {
    handed_in_.put({&home, std::move(batch)});
}

void CoreLoop::apply_handed_in() {
    std::vector<HandedIn> all = handed_in_.take_now();
    if (all.empty()) return;
    begin();
    for (const HandedIn& one : all)
        one.batch->apply_to(broker_, now_, turn_);
    end();
    for (HandedIn& one : all)
        one.home->give_back(std::move(one.batch));
}

void CoreLoop::run_posted() {
    apply_handed_in();
    for (const auto& work : posted_.take_now())
        work(*this);
}

} // namespace baton::broker::runtime
