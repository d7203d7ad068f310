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
                               {}};
    if (!hypercall::set_trap_table(table))
        panic("cannot set the trap table");
}

void measure_system_call() {
    auto space = user::Space::create(primitives_user_first, primitives_user_last);
    if (!space)
        panic("no user space");
    set_entries(entry_event, primitives_syscall);
    const auto end = space->run(0);
    set_entries(entry_event, entry_syscall);
    if (!end || end->cause != user::Exit::Cause::interrupt)
        panic("user mode ended otherwise");
    report("system_call", *reinterpret_cast<const std::uint64_t*>(space->data()) - reading());
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
        std::uint64_t value = 0;
        asm volatile("mov %%cr0, %0" : "=r"(value));
    });
}

void measure_traps() {
    measure("iret", primitives_iret);
    measure_system_call();
    take_traps_over();
    measure("breakpoint", [] { asm volatile("int3"); });
    const auto nothing = hypercall::address(reserve_window(1));
    measure("page_fault", [=] { primitives_touch(nothing); });
}

} // namespace bulkhead::primitives
