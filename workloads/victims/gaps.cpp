// Reads the counter all the time, and so sees every gap in its own running: other guests, the hypervisor, and
// the turns of other pCPUs in an emulator that runs its processors one after the other. Ends by itself.
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

#include <algorithm>

namespace bulkhead::workload {
namespace {

constexpr Option least_ns{"least_ns", "1", "400", "a jump of the counter by so many ns is a gap"};
constexpr Option gaps_wanted{"gaps", "1", "4000", "ends after so many gaps"};
constexpr Option options_[] = {least_ns, gaps_wanted};

std::uint64_t counter() {
    std::uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return std::uint64_t{high} << 32 | low;
}

struct Lengths {
    std::uint64_t sum = 0, longest = 0;
    void add(std::uint64_t length) {
        sum += length;
        longest = std::max(longest, length);
    }
};

void run() {
    const auto least = least_ns.number(), wanted = gaps_wanted.number();
    Lengths runs, gaps;
    auto last = counter(), began = last;
    for (std::uint64_t found = 0; found < wanted;) {
        const auto now = counter();
        if (now - last >= least) {
            runs.add(last - began);
            gaps.add(now - last);
            began = now;
            ++found;
        }
        last = now;
    }
    guest::print("RESULT name=gaps ran={} stopped={} longest_run={} longest_gap={}\n", runs.sum, gaps.sum,
                 runs.longest, gaps.longest);
}

constexpr Workload gaps{Kind::victim, "gaps", "reads the counter and sums the gaps in its own running",
                        options_, run};
BULKHEAD_WORKLOAD(gaps)

} // namespace
} // namespace bulkhead::workload
