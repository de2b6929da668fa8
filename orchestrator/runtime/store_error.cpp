// The error category of stores.
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
        case StoreErrc::not_found:
            return "not found";
        }
        return "unknown store error";
    }
};

} // namespace

const boost::system::error_category& store_category() {
    static const StoreCategory category;
    return category;
}

ErrorCode make_error_code(StoreErrc errc) {
    return {static_cast<int>(errc), store_category()};
}

} // namespace baton::orchestrator::runtime
