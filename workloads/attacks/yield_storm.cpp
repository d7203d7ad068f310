// Gives the CPU up as fast as it can, so that the host spends its time switching.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option mark_yields{"mark_yields", "1", "1000", "yields between two marks"};
constexpr Option options_[] = {mark_yields};

void run() {
    const std::uint64_t step = mark_yields.number();
    std::uint64_t done = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i)
            guest::yield();
        done += step;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=yield_storm yields={} ns={}\n", done, guest::now() - began());
}

constexpr Workload yield_storm{Kind::attack, "yield_storm", "yields in a tight loop", options_, run};
BULKHEAD_WORKLOAD(yield_storm)

} // namespace
} // namespace bulkhead::workload
