// The error category of stores, and what a store of one process says to questions about others.
#include "orchestrator/runtime/run_store.hpp"

namespace baton::orchestrator::runtime {
namespace {

class StoreCategory final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "baton.store"; }
    std::string message(int code) const override {
        switch (static_cast<StoreErrc>(code)) {
        case StoreErrc::unavailable:
            return "the store is not available";
        case StoreErrc::refused:
            return "the store refused the statement";
        case StoreErrc::unfit:
            return "the store cannot hold this";
        case StoreErrc::stale:
            return "not as it was";
        case StoreErrc::not_found:
            return "not found";
        }
        return "unknown store error";
    }
};

Failure one_process_only() {
    return {make_error_code(StoreErrc::refused), "this store serves one process"};
}

} // namespace

const boost::system::error_category& store_category() {
    static const StoreCategory category;
    return category;
}

ErrorCode make_error_code(StoreErrc errc) {
    return {static_cast<int>(errc), store_category()};
}

// A store of one process; whoever is asked this has not looked at is_shared().
Outcome<Neighbourhood> RunStore::announce(const Announcement&) {
    return one_process_only();
}
Outcome<void> RunStore::withdraw(const std::string&) {
    return one_process_only();
}
Outcome<std::vector<OwnedPartition>> RunStore::take_over_from(std::span<const SeenPartition>,
                                                              const std::string&) {
    return one_process_only();
}
Outcome<void> RunStore::release(std::span<const OwnedPartition>) {
    return one_process_only();
}
Outcome<std::vector<LimitAnswer>> RunStore::share_limits(const std::string&,
                                                         std::span<const LimitAsk>, bool) {
    return one_process_only();
}
// They come with the first take-over.
Outcome<void> RunStore::make_partitions(std::uint32_t) {
    return boost::system::in_place_value;
}

} // namespace baton::orchestrator::runtime
