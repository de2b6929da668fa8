// What it costs to show people the steps of a run of n steps, from its history.
//   view [N...]
#include "bench/core/driven_run.hpp"

#include <fmt/format.h>

int main(int argc, char** argv) {
    using namespace baton::bench;
    fmt::print(
        "| steps | in parallel, µs | a step | in sequence, µs | a step |\n|---|---|---|---|---|\n");
    for (const std::size_t size : sizes_from(argc, argv)) {
        double micros[2];
        for (const bool in_sequence : {false, true}) {
            DrivenRun run(in_sequence ? chained_tasks(size) : parallel_tasks(size));
            while (run.open_tasks() != 0)
                run.complete_next();
            run.view_micros(); // warm
            micros[in_sequence] = run.view_micros();
        }
        const auto steps = static_cast<double>(size);
        fmt::print("| {} | {:.0f} | {:.1f} | {:.0f} | {:.1f} |\n", size, micros[0],
                   micros[0] / steps, micros[1], micros[1] / steps);
    }
}
