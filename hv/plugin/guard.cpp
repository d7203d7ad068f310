#include "hv/plugin/guard.hpp"

#include "hv/base/machine.hpp"

#include <algorithm>

extern "C" char guard_way_back[], strict_way_back[], image_start[], text_end[];

namespace bulkhead::hv {

// What guard.S knows of the pCPU's stack area and of its first member.
static_assert(stack_area_bytes == 0x8000);
static_assert(__builtin_offsetof(Pcpu, guard) == 0 && __builtin_offsetof(Guard, rsp) == 0);

namespace guard {
constinit WayIn* way_in = &call_with_way_back;
} // namespace guard

namespace {

// Once a hook's time is over but it is in a service, where it cannot be abandoned: when to look again. A
// little later each time, so that no loop over services is found in one every time.
constexpr Nanos look_again = microseconds(10), look_later = Nanos{52};

void return_to_caller(Registers& regs, Guard& guard, plugin::Fault fault) {
    guard.fault = fault;
    guard.fault_rip = regs.rip;
    guard.fault_vector = regs.vector;
    guard.fault_error = regs.error;
    regs.rip = reinterpret_cast<std::uint64_t>(guard.outer_root != 0 ? strict_way_back : guard_way_back);
    regs.rsp = guard.rsp;
    regs.rflags = rflags::fixed;
}

bool in_text(const Guard& guard, std::uint64_t rip) {
    return rip >= guard.plugin->start && rip < guard.plugin->end;
}

bool in_hypervisor(std::uint64_t rip) {
    return rip >= reinterpret_cast<std::uint64_t>(image_start) &&
           rip < reinterpret_cast<std::uint64_t>(text_end);
}

} // namespace

// Its own text, or wherever it has jumped to; a fault in a service that it called is ours.
bool recover_from_trap(Registers& regs, std::uint64_t address) {
    auto& guard = pcpu().guard;
    if (guard.rsp == 0 || in_hypervisor(regs.rip))
        return false;
    guard.fault_address = address;
    return_to_caller(regs, guard, plugin::Fault::trapped);
    return true;
}

bool recover_from_overrun(Registers& regs) {
    auto& self = pcpu();
    auto& guard = self.guard;
    if (guard.rsp == 0)
        return false;
    const auto now = machine::now();
    if (now > guard.deadline && in_text(guard, regs.rip)) {
        return_to_caller(regs, guard, plugin::Fault::over_budget);
        return true;
    }
    // The interrupt that came is spent, and a hook that never returns sets no other timer.
    const auto next = std::max(guard.deadline, now + look_again + look_later * guard.looks++);
    if (self.programmed > next)
        program_timer(next);
    return false;
}

} // namespace bulkhead::hv
