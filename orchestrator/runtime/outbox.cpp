// The cursor stands before the first transition that is not confirmed entirely.
#include "orchestrator/runtime/outbox.hpp"

#include <algorithm>

namespace baton::orchestrator::runtime {

void Outbox::add(Partition part, std::uint64_t pseq, std::uint32_t commands, std::size_t bytes,
                 Time at) {
    Part& one = parts_[part];
    one.last = std::max(one.last, pseq);
    if (commands == 0) return;
    Open& open = one.open[pseq];
    open.commands += commands;
    open.bytes += bytes;
    open.at = at;
    bytes_ += bytes;
}

void Outbox::confirm(Partition part, std::uint64_t pseq) {
    const auto found = parts_.find(part);
    if (found == parts_.end()) return;
    const auto open = found->second.open.find(pseq);
    if (open == found->second.open.end()) return;
    if (--open->second.commands > 0) return;
    bytes_ -= open->second.bytes;
    found->second.open.erase(open);
}

std::uint64_t Outbox::cursor(Partition part) const {
    const auto found = parts_.find(part);
    if (found == parts_.end()) return 0;
    const Part& one = found->second;
    return one.open.empty() ? one.last : one.open.begin()->first - 1;
}

void Outbox::reset(Partition part, std::uint64_t published) {
    Part& one = parts_[part];
    drop_bytes(one);
    one = Part{{}, published};
}

void Outbox::drop_bytes(const Part& part) {
    for (const auto& [pseq, open] : part.open)
        bytes_ -= open.bytes;
}

std::optional<Time> Outbox::oldest() const {
    std::optional<Time> oldest;
    for (const auto& [part, one] : parts_)
        if (!one.open.empty() && (!oldest || one.open.begin()->second.at < *oldest))
            oldest = one.open.begin()->second.at;
    return oldest;
}

std::size_t Outbox::outstanding() const {
    std::size_t count = 0;
    for (const auto& [part, one] : parts_)
        count += one.open.size();
    return count;
}

} // namespace baton::orchestrator::runtime
