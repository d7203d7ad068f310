// Instructions that trap: those the hypervisor carries out, those it hands to the kernel, and the way back.
#include "guest/runtime/traps.hpp"

#include "guest/runtime/paging.hpp"
#include "guest/runtime/user.hpp"
#include "workloads/primitives/entries.hpp"
#include "workloads/primitives/meter.hpp"

namespace bulkhead::primitives {
namespace {

using namespace guest;

constexpr std::uint32_t efer = 0xc0000080;

void take_traps_over() {
    const auto row = [](traps::Vector vector, std::uint8_t flags, void (*entry)()) {
        return trap_info{.vector = static_cast<std::uint8_t>(vector),
                         .flags = flags,
                         .cs = FLAT_KERNEL_CS,
                         .address = reinterpret_cast<unsigned long>(entry)};
    };
    const trap_info table[] = {row(traps::Vector::breakpoint, 3, primitives_breakpoint),
                               row(traps::Vector::page, 0, primitives_page_fault),
                               row(traps::Vector::syscall, 3, primitives_breakpoint),
                               {}};
    if (!hypercall::set_trap_table(table))
        panic("cannot set the trap table");
}

// Code that ends at an invalid instruction, behind its result.
void measure_user_code(std::string_view row, const char* first, const char* last) {
    auto space = user::Space::create(first, last);
    if (!space)
        panic("no user space");
    const auto end = space->run(0);
    if (!end || end->cause != user::Exit::Cause::trap || end->trap->vector != traps::Vector::undefined)
        panic("user mode ended otherwise");
    report(row, *reinterpret_cast<const std::uint64_t*>(space->data()) - reading());
}

// By SYSCALL, which 32-bit kernels do not have, and by INT.
void measure_system_calls() {
#ifndef __i386__
    set_entries(entry_event, primitives_syscall);
    measure_user_code("system_call", primitives_user_first, primitives_user_last);
    set_entries(entry_event, entry_syscall);
#endif
    measure_user_code("system_call_int", primitives_user_int_first, primitives_user_int_last);
}

} // namespace

void measure_emulation() {
    measure("cpuid", [] {
        std::uint32_t leaf = 1, c = 0;
        asm volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(leaf), "+c"(c) : : "ebx", "edx");
    });
    measure("rdmsr", [] {
        std::uint32_t low = 0, high = 0;
        asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(efer));
    });
    measure("clts", [] { asm volatile("clts"); });
    measure("read_cr0", [] {
        Word value = 0;
        asm volatile("mov %%cr0, %0" : "=r"(value));
    });
}

void measure_traps() {
    measure("iret", primitives_iret);
    take_traps_over();
    measure_system_calls();
    measure("breakpoint", [] { asm volatile("int3"); });
    const auto nothing = hypercall::address(reserve_window(1));
    measure("page_fault", [=] { primitives_touch(nothing); });
}

} // namespace bulkhead::primitives
