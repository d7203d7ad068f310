// The trap table and what happens to each trap: an upcall, user mode's exit, a registered handler, a guard,
// or the end.
#include "guest/runtime/traps.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/internal.hpp"
#include "guest/runtime/print.hpp"

#include <array>

namespace bulkhead::guest::traps {
namespace {

extern "C" {
struct TrapEntry {
    Word vector;
    Word address;
};
extern const TrapEntry trap_entries[];
void entry_event();
void entry_failsafe();
void entry_syscall();
int guarded_call(void (*f)(void*), void* argument, Word* saved_rsp);
void guarded_resume();
extern char boot_stack_end[];
}

constexpr Word trap_flag = 1 << 8, direction_flag = 1 << 10, nested_task_flag = 1 << 14,
               alignment_flag = 1 << 18;
constexpr Word kernel_code = is_narrow ? FLAT_KERNEL_CS : FLAT_KERNEL_CS & ~3; // ring 0 means kernel mode
constexpr std::size_t max_entries = 32;

alignas(16) constinit std::array<std::byte, 16384> kernel_stack{};
constinit std::array<Handler, 256> handlers{};

struct Guard {
    Word rsp = 0;
    Trap trap{};
    Guard* outer = nullptr;
};
constinit Guard* innermost = nullptr;

std::uint64_t fault_address(const Frame& frame) {
    return frame.vector == static_cast<std::uint64_t>(Vector::page) ? shared().vcpu_info[0].arch.cr2 : 0;
}

bool from_user(const Frame& frame) { return (frame.cs & 3) == 3; }

bool caught_by_guard(Frame& frame) {
    if (innermost == nullptr || from_user(frame))
        return false;
    // A failed return to the guest counts as the protection fault that it was.
    const bool failsafe = frame.vector == failsafe_entry;
    innermost->trap = {.vector = failsafe ? Vector::protection : static_cast<Vector>(frame.vector),
                       .error = frame.error,
                       .address = fault_address(frame),
                       .rip = frame.rip};
    frame.rip = reinterpret_cast<std::uintptr_t>(&guarded_resume);
    if constexpr (is_narrow) { // a return within the kernel leaves the stack where it is
        frame.rdx = innermost->rsp;
    } else {
        frame.rsp = innermost->rsp;
        frame.ss = FLAT_KERNEL_SS;
    }
    frame.cs = kernel_code;
    frame.rflags &= ~(trap_flag | direction_flag | alignment_flag | nested_task_flag);
    return true;
}

[[noreturn]] void die(const Frame& frame) {
    print("guest trap {} error {x} at {x} cs {x} rflags {x} rsp {x} address {x}\n", frame.vector, frame.error,
          frame.rip, frame.cs, frame.rflags, frame.rsp, fault_address(frame));
    print("  rax {x} rbx {x} rcx {x} rdx {x} rsi {x} rdi {x} rbp {x}\n", frame.rax, frame.rbx, frame.rcx,
          frame.rdx, frame.rsi, frame.rdi, frame.rbp);
    panic("unexpected trap");
}

} // namespace

extern "C" void guest_trap(Frame* frame) {
    if (frame->vector == event_entry)
        return internal::handle_events();
    if (from_user(*frame))
        internal::leave_user_mode(*frame);
    if (frame->vector < handlers.size() && handlers[frame->vector] != nullptr &&
        handlers[frame->vector](*frame))
        return;
    if (!caught_by_guard(*frame))
        die(*frame);
}

void on(Vector vector, Handler handler) { handlers[static_cast<std::size_t>(vector)] = handler; }

std::optional<Trap> run_guarded(void (*f)(void*), void* argument) {
    Guard guard{};
    guard.outer = innermost;
    innermost = &guard;
    const int trapped = guarded_call(f, argument, &guard.rsp);
    innermost = guard.outer;
    if (trapped == 0)
        return std::nullopt;
    return guard.trap;
}

std::optional<Word> read_guarded(std::uint64_t address) {
    Word value = 0;
    const auto trap = probe([&] { value = *at_address<const volatile Word>(address); });
    if (trap)
        return std::nullopt;
    return value;
}

bool write_guarded(std::uint64_t address, Word value) {
    return !probe([&] { *at_address<volatile Word>(address) = value; });
}

} // namespace bulkhead::guest::traps

namespace bulkhead::guest::internal {

void install_traps() {
    using namespace traps;
    constexpr unsigned mask_events = 4;
    std::array<trap_info, max_entries> table{};
    for (std::size_t i = 0; i + 1 < table.size() && trap_entries[i].address != 0; ++i) {
        const auto vector = static_cast<std::uint8_t>(trap_entries[i].vector);
        const bool from_user_mode = vector == 3 || vector == 4 || vector == 0x80;
        table[i].vector = vector;
        table[i].flags = static_cast<std::uint8_t>(mask_events | (from_user_mode ? 3 : 0));
        table[i].cs = FLAT_KERNEL_CS;
        table[i].address = trap_entries[i].address;
    }
    if (!hypercall::set_trap_table(table.data()))
        panic("cannot set the trap table");
    if (!hypercall::set_callbacks(reinterpret_cast<const void*>(&entry_event),
                                  reinterpret_cast<const void*>(&entry_failsafe),
                                  reinterpret_cast<const void*>(&entry_syscall)))
        panic("cannot set the callbacks");
    if (!hypercall::stack_switch(FLAT_KERNEL_SS, reinterpret_cast<std::uintptr_t>(kernel_stack.end())))
        panic("cannot set the kernel stack");
}

} // namespace bulkhead::guest::internal
