// Calls the hypervisor as fast as it can, for nothing.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option mark_calls{"mark_calls", "1", "1000", "calls between two marks"};
constexpr Option options_[] = {mark_calls};

void run() {
    const std::uint64_t step = mark_calls.number();
    std::uint64_t done = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i)
            static_cast<void>(guest::hypercall::raw(__HYPERVISOR_xen_version, XENVER_version));
        done += step;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=call_storm calls={} ns={}\n", done, guest::now() - began());
}

constexpr Workload call_storm{Kind::attack, "call_storm", "makes empty hypercalls in a tight loop", options_,
                              run};
BULKHEAD_WORKLOAD(call_storm)

} // namespace
} // namespace bulkhead::workload
