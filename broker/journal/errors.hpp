// What can go wrong between the journal and the disk. Codes are compared; the sentence for people
// travels beside them in Failure::detail.
#pragma once

#include "base/result.hpp"

namespace baton::broker::journal {

enum class Errc {
    ok = 0,
    io,           // the operating system refused; detail has its words
    disk_full,    // no space or quota left
    damaged,      // bytes that were synced are not what was written
    foreign_file, // something in the folder that is not ours
    newer_format, // written by a newer Baton
    locked,       // another process owns the folder
};

const boost::system::error_category& category();
ErrorCode make_error_code(Errc code);

inline Failure failure(Errc code, std::string detail) {
    return {make_error_code(code), std::move(detail)};
}

} // namespace baton::broker::journal

template <>
struct boost::system::is_error_code_enum<baton::broker::journal::Errc> : std::true_type {};
