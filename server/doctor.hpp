// `baton doctor --stopped`: the store of a server that does not run, against its histories.
// Blocking.
#pragma once

#include "base/result.hpp"
#include "orchestrator/runtime/doctor.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace baton::server {

struct DoctorWish {
    std::string data_folder;
    std::string database_url;
    std::string run; // only this one; empty: all
    bool repairs = false;
    std::string actor; // whom the history names
};

struct DoctorReport {
    std::size_t examined = 0;
    std::vector<orchestrator::runtime::Finding> findings;
    std::size_t mended = 0;      // of the findings
    std::size_t mended_rows = 0; // of what is beside the runs
};

// `said` hears each finding as it comes, and whether it was put right. invalid_argument: a server
// works there, or the wish does not fit; any other failure is the store's.
Outcome<DoctorReport> examine_stopped(
    const DoctorWish& wish,
    const std::function<void(const orchestrator::runtime::Finding&, bool is_mended)>& said);

} // namespace baton::server
