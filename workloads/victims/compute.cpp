// A victim that only computes: integer work in operations of 1000 instructions. What it loses to others is
// CPU time.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/work.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option mark_ops{"mark_ops", "1", "250",
                          "operations between two marks; 250 take about 1 ms at 4 ns"};
constexpr Option options_[] = {mark_ops};

void run() {
    const std::uint64_t step = mark_ops.number();
    std::uint64_t done = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i)
            operation();
        done += step;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=compute ops={} ns={}\n", done, guest::now() - began());
}

constexpr Workload compute{Kind::victim, "compute",
                           "integer work, counted in operations of 1000 instructions", options_, run};
BULKHEAD_WORKLOAD(compute)

} // namespace
} // namespace bulkhead::workload
