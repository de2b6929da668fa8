// What the last completion of a run with n parallel tasks costs, against the first.
//   grow [N...]
#include "bench/core/driven_run.hpp"

#include <fmt/format.h>

int main(int argc, char** argv) {
    using namespace baton::bench;
    constexpr std::size_t averaged = 5; // the first and the last few
    fmt::print("| parallel tasks | first, µs | last, µs | ratio | first, bytes | last, bytes | "
               "all, s |\n|---|---|---|---|---|---|---|\n");
    for (const std::size_t size : sizes_from(argc, argv)) {
        DrivenRun run(parallel_tasks(size));
        Cost first;
        Cost last;
        double all = 0;
        for (std::size_t i = 0; run.open_tasks() > 1; ++i) { // the very last one ends the run, too
            const Cost cost = run.complete_next();
            all += cost.micros;
            if (i < averaged)
                first = {first.micros + cost.micros / averaged,
                         first.bytes + cost.bytes / averaged};
            if (run.open_tasks() <= averaged)
                last = {last.micros + cost.micros / averaged, last.bytes + cost.bytes / averaged};
        }
        run.complete_next();
        fmt::print("| {} | {:.1f} | {:.1f} | {:.1f} | {} | {} | {:.2f} |{}\n", size, first.micros,
                   last.micros, last.micros / first.micros, first.bytes, last.bytes, all / 1e6,
                   run.is_over() ? "" : " NOT OVER");
    }
}
