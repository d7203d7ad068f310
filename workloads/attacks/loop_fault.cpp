// Faults for ever. By default the handler returns to the faulting instruction; nested, the handler itself
// faults, until the guest's stack is gone and the hypervisor must end it.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/traps.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option nested{"nested", "1", "0", "1: fault again inside the handler"};
constexpr Option mark_faults{"mark_faults", "1", "1000", "faults between two marks"};
constexpr Option options_[] = {nested, mark_faults};

constinit std::uint64_t faults = 0;
constinit std::uint64_t step = 1;

void touch_nothing() { *reinterpret_cast<volatile char*>(0x1000) = 1; }

[[noreturn]] void finish() {
    guest::mark(guest::Mark::finished, faults);
    guest::print("RESULT name=loop_fault faults={} ns={}\n", faults, guest::now() - began());
    guest::shutdown();
}

bool fault_again(guest::traps::Frame&) {
    if (++faults % step != 0)
        return true;
    guest::mark(guest::Mark::operations, faults);
    if (over())
        finish();
    return true;
}

bool fault_inside(guest::traps::Frame&) {
    ++faults;
    touch_nothing();
    return true;
}

void run() {
    step = mark_faults.number();
    guest::traps::on(guest::traps::Vector::page, nested.number() != 0 ? fault_inside : fault_again);
    touch_nothing();
}

constexpr Workload loop_fault{Kind::attack, "loop_fault", "page-faults for ever, or until its stack is gone",
                              options_, run};
BULKHEAD_WORKLOAD(loop_fault)

} // namespace
} // namespace bulkhead::workload
