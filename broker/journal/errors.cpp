#include "broker/journal/errors.hpp"

namespace baton::broker::journal {
namespace {

class Category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "journal"; }
    std::string message(int value) const override {
        switch (static_cast<Errc>(value)) {
        case Errc::ok:
            return "no error";
        case Errc::io:
            return "the disk refused";
        case Errc::disk_full:
            return "the disk is full";
        case Errc::damaged:
            return "the journal is damaged";
        case Errc::foreign_file:
            return "a file does not belong to the journal";
        case Errc::newer_format:
            return "the journal was written by a newer version";
        case Errc::locked:
            return "the data folder is in use by another process";
        }
        return "unknown";
    }
};

} // namespace

const boost::system::error_category& category() {
    static const Category instance;
    return instance;
}

ErrorCode make_error_code(Errc code) {
    return {static_cast<int>(code), category()};
}

} // namespace baton::broker::journal
