// The plainest noise: burns the CPU and never gives it back of its own accord.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/vcpus.hpp"
#include "workloads/work.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option mark_ops{"mark_ops", "1", "2500",
                          "operations between two marks; 2500 take about 10 ms at 4 ns"};
constexpr Option all_vcpus{"all_vcpus", "1", "0",
                           "1: burn on every vCPU of the domain, not only on the first"};
constexpr Option options_[] = {mark_ops, all_vcpus};

[[noreturn]] void burn() {
    for (;;)
        operation();
}

void start_the_others() {
    for (std::uint16_t i = 1; i < guest::vcpu_count(); ++i)
        if (!guest::start_vcpu(VcpuId{i}, burn))
            guest::panic("cpu_hog: a vCPU does not start");
}

void run() {
    const std::uint64_t step = mark_ops.number();
    if (all_vcpus.number() != 0)
        start_the_others();
    std::uint64_t done = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i)
            operation();
        done += step;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=cpu_hog ops={} ns={}\n", done, guest::now() - began());
}

constexpr Workload cpu_hog{Kind::attack, "cpu_hog", "burns the CPU and never sleeps", options_, run};
BULKHEAD_WORKLOAD(cpu_hog)

} // namespace
} // namespace bulkhead::workload
