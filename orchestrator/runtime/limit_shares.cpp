// Max-min fairness between nodes: nobody gets more than a node that waits, unless that one wants
// less.
#include "orchestrator/runtime/limit_shares.hpp"

#include <algorithm>
#include <numeric>

namespace baton::orchestrator::runtime {
namespace {

struct Demand {
    std::uint64_t count = 0;
    Time served_at{};
    bool waits = false;
    std::uint32_t fair = 0;
};

// What each would have if the limit were shared out anew. What does not divide goes to those who
// have waited longest.
void divide(std::uint32_t limit, std::map<std::string, Demand>& demands) {
    std::vector<Demand*> open;
    for (auto& [node, demand] : demands)
        open.push_back(&demand);
    std::ranges::sort(open, {}, [](const Demand* one) { return one->count; });
    std::uint32_t left = limit;
    for (auto first = open.begin(); first != open.end();) {
        const auto share = left / static_cast<std::uint32_t>(open.end() - first);
        if ((*first)->count > share) {
            std::ranges::sort(first, open.end(), {},
                              [](const Demand* one) { return one->served_at; });
            auto more = left % static_cast<std::uint32_t>(open.end() - first);
            for (; first != open.end(); ++first, more -= more > 0 ? 1 : 0)
                (*first)->fair = share + (more > 0 ? 1 : 0);
            return;
        }
        (*first)->fair = static_cast<std::uint32_t>((*first)->count);
        left -= (*first)->fair;
        ++first;
    }
}

// What an owner asked about and is still its own, with the row that there is.
struct Own {
    LimitAsk::Part asked;
    const LimitShare* row = nullptr;
};

struct Seen {
    std::vector<Own> own;
    std::uint64_t used = 0;
    std::uint64_t had = 0;       // granted before
    std::uint64_t elsewhere = 0; // granted to partitions of others
    std::uint64_t others_want = 0;
    bool is_younger = false; // than another one that waits
    std::map<std::string, Demand> demands;
};

Seen look(const LimitAsk& ask, const std::string& node, const std::vector<LimitShare>& rows) {
    Seen seen;
    for (const LimitAsk::Part& part : ask.parts)
        seen.own.push_back({part});
    Demand& mine = seen.demands[node];
    for (const LimitShare& row : rows) {
        const auto own =
            std::ranges::find(seen.own, row.part, [](const Own& one) { return one.asked.part; });
        if (own != seen.own.end() && row.epoch <= own->asked.epoch) {
            own->row = &row;
            seen.had += row.granted;
            if (row.node == node) mine.served_at = std::max(mine.served_at, row.served_at);
            continue;
        }
        if (own != seen.own.end()) seen.own.erase(own); // taken over since
        seen.elsewhere += row.granted;
        if (row.node == node) continue; // given away a moment ago: its next owner speaks for it
        Demand& other = seen.demands[row.node];
        other.count += row.granted + row.wanted;
        other.served_at = std::max(other.served_at, row.served_at);
        other.waits = other.waits || row.wanted > 0;
        seen.others_want += row.wanted;
    }
    const auto waits_longer = [&](const auto& one) {
        return one.second.waits && one.second.served_at < mine.served_at;
    };
    seen.is_younger = std::ranges::any_of(seen.demands, waits_longer);
    for (const Own& own : seen.own)
        seen.used += own.asked.used;
    mine.count = seen.used + ask.wanted;
    return seen;
}

void take_turns(const LimitAsk& ask, std::uint32_t given, bool is_younger, Time now,
                SharedOut& out) {
    LimitAnswer& answer = out.answer;
    const Duration burst = *ask.interval < shared_burst ? shared_burst : Duration::zero();
    Time turn = std::max(out.next_turn, now - burst);
    if (is_younger && out.next_turn <= now && out.next_turn > now - turn_left) {
        answer.next_turn = turn_left;
    } else {
        for (; answer.turns < given && turn <= now; turn += *ask.interval)
            ++answer.turns;
        if (answer.turns > 0) out.next_turn = turn;
        if (answer.turns < given) answer.next_turn = turn - now;
    }
    answer.unmet += given - answer.turns;
}

} // namespace

SharedOut share_out(const LimitAsk& ask, const std::string& node,
                    const std::vector<LimitShare>& rows, Time next_turn, Time now) {
    Seen seen = look(ask, node, rows);
    SharedOut out;
    LimitAnswer& answer = out.answer;
    answer.limit = ask.limit;
    out.next_turn = next_turn;

    const std::uint64_t limit = ask.max_concurrent.value_or(UINT32_MAX);
    const std::uint64_t free = limit - std::min(limit, seen.elsewhere);
    if (seen.others_want > 0) {
        divide(static_cast<std::uint32_t>(limit), seen.demands);
        answer.fair = seen.demands.at(node).fair;
    }
    // What is out stays granted, whatever else is true.
    const std::uint64_t most = std::max(seen.used, std::min<std::uint64_t>(free, answer.fair));
    const auto given =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(ask.wanted, most - seen.used));
    answer.unmet = ask.wanted - given;
    // A place at hand spares the next task the way to the store; the other half is for who comes
    // next.
    std::uint64_t spare = 0;
    if (seen.others_want == 0 && seen.used + given > 0) spare = (most - seen.used - given) / 2;

    if (ask.interval && given > 0) take_turns(ask, given, seen.is_younger, now, out);

    const bool is_served =
        answer.turns > 0 || (!ask.interval && seen.used + given + spare > seen.had);
    const Time served_at = is_served ? now : seen.demands.at(node).served_at;
    const std::uint64_t at_hand = ask.max_concurrent ? given + spare : 0;
    std::uint64_t index = 0;
    for (const Own& own : seen.own) {
        const std::uint64_t count = seen.own.size();
        const auto extra = at_hand / count + (index < at_hand % count ? 1 : 0);
        LimitShare row{own.asked.part,
                       own.asked.epoch,
                       node,
                       ask.max_concurrent ? static_cast<std::uint32_t>(own.asked.used + extra) : 0,
                       index == 0 ? answer.unmet : 0,
                       served_at};
        ++index;
        answer.granted[row.part] = row.granted;
        const bool is_nothing = row.granted == 0 && row.wanted == 0 && own.row == nullptr;
        if (is_nothing || (own.row != nullptr && row == *own.row)) continue;
        out.written.push_back(std::move(row));
    }
    return out;
}

} // namespace baton::orchestrator::runtime
