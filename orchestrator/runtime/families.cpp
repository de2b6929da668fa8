// Forgetting a family costs one look at the store, so the map is bounded in the simplest way.
#include "orchestrator/runtime/families.hpp"

namespace baton::orchestrator::runtime {

namespace {

constexpr std::size_t families_max = 10'000;
// So far processes that share a store may go beyond the limit, each.
constexpr std::uint64_t looked_up_every = 1'000;

} // namespace

bool Families::is_to_be_counted(const std::string& root) const {
    const auto found = families_.find(root);
    return found == families_.end() || found->second.since_count >= looked_up_every;
}

void Families::counted(const std::string& root, std::uint64_t runs) {
    if (families_.size() >= families_max && !families_.contains(root)) families_.clear();
    families_[root] = {runs, 0};
}

bool Families::take(const std::string& root) {
    Family& family = families_[root];
    ++family.since_count;
    if (family.runs >= runs_max_) return false;
    ++family.runs;
    return true;
}

} // namespace baton::orchestrator::runtime
