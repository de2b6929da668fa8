// Runs one program to its end: text in, text out, under limits on time, memory and output. The program
// and all it started end with it, and with this process.
#pragma once

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::exec {

struct Program {
    std::vector<std::string> command;            // absolute path and arguments; no shell between
    std::vector<std::string> environment = {};   // "NAME=value", all it sees
    std::string folder = {};                     // it works in; empty: ours
    Duration time_max = std::chrono::seconds(60);
    std::uint64_t memory_max = 0;                // bytes of address space; 0: no limit
    std::size_t output_bytes_max = 1 << 20;      // of standard output; of errors the last 64 KiB are kept
};

struct Ending {
    enum class Kind {
        exited,      // `code` is its exit status
        signalled,   // `code` is the signal; not by us
        timed_out,
        cancelled,
        too_much,    // more output than may be
        not_started, // `errors` says why
    };
    Kind kind = Kind::not_started;
    int code = 0;
    std::string output;
    std::string errors;
};

// Blocks; any thread, which must outlive nothing: a program dies with the thread that started it. Asks
// `is_cancelled` several times a second. `hear` gets each line of standard error when it is whole; it may be empty.
// SIGPIPE must be ignored in this process.
Ending run_program(const Program& program, std::string_view input, const std::function<bool()>& is_cancelled,
                   const std::function<void(std::string_view line)>& hear = {});

} // namespace baton::workers::exec
