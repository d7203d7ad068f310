// The typed hypercalls: each puts its arguments into registers and its result into a Result.
#include "guest/runtime/hypercall.hpp"

namespace bulkhead::guest::hypercall {

BULKHEAD_IN_REGISTERS long raw(unsigned number, Word a, Word b, Word c, Word d, Word e) {
    constexpr unsigned stub_bytes = 32;
    const auto stub = address_of(hypercall_page) + (number % (page_bytes / stub_bytes)) * stub_bytes;
    long result = static_cast<long>(stub);
#ifdef __i386__
    asm volatile("call *%%eax"
                 : "+a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e)
                 :
                 : "memory", "cc");
#else
    register std::uint64_t r10 asm("r10") = d;
    register std::uint64_t r8 asm("r8") = e;
    asm volatile("call *%%rax"
                 : "+a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                 :
                 : "rcx", "r11", "r9", "memory", "cc");
#endif
    return result;
}

namespace {

// Values of 64 bits take two registers in 32 bits.
[[maybe_unused]] constexpr Word low(std::uint64_t value) { return static_cast<Word>(value); }
[[maybe_unused]] constexpr Word high(std::uint64_t value) { return static_cast<Word>(value >> 32); }

} // namespace

Status set_trap_table(const trap_info* sentinel_terminated) {
    return status(raw(__HYPERVISOR_set_trap_table, address(sentinel_terminated)));
}

Status set_callbacks(const void* event, const void* failsafe, const void* syscall) {
#ifdef __i386__
    static_cast<void>(syscall); // which 32-bit kernels take by a vector
    return status(
        raw(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, address(event), FLAT_KERNEL_CS, address(failsafe)));
#else
    return status(raw(__HYPERVISOR_set_callbacks, address(event), address(failsafe), address(syscall)));
#endif
}

Status stack_switch(std::uint64_t ss, std::uint64_t rsp) {
    return status(raw(__HYPERVISOR_stack_switch, ss, rsp));
}

Status set_gdt(const xen_pfn_t* frames, unsigned entries) {
    return status(raw(__HYPERVISOR_set_gdt, address(frames), entries));
}

Status update_descriptor(std::uint64_t machine_address, std::uint64_t descriptor) {
    if constexpr (is_narrow)
        return status(raw(__HYPERVISOR_update_descriptor, low(machine_address), high(machine_address),
                          low(descriptor), high(descriptor)));
    return status(raw(__HYPERVISOR_update_descriptor, machine_address, descriptor));
}

Status set_segment_base(unsigned which, std::uint64_t base) {
    return status(raw(__HYPERVISOR_set_segment_base, which, base));
}

Status fpu_taskswitch(bool set) { return status(raw(__HYPERVISOR_fpu_taskswitch, set ? 1 : 0)); }

Status set_debugreg(unsigned reg, std::uint64_t value) {
    return status(raw(__HYPERVISOR_set_debugreg, reg, value));
}

std::uint64_t get_debugreg(unsigned reg) { return static_cast<Word>(raw(__HYPERVISOR_get_debugreg, reg)); }

Result<long> vm_assist(unsigned command, unsigned type) {
    return checked(raw(__HYPERVISOR_vm_assist, command, type));
}

Result<long> callback_op(unsigned command, void* argument) {
    return checked(raw(__HYPERVISOR_callback_op, command, address(argument)));
}

Result<unsigned> mmu_update(std::span<const ::mmu_update> updates, DomainId owner) {
    unsigned done = 0;
    const long result =
        raw(__HYPERVISOR_mmu_update, address(updates.data()), updates.size(), address(&done), owner.value());
    if (result < 0)
        return std::unexpected{static_cast<Error>(-result)};
    return done;
}

Status update_va_mapping(std::uint64_t where, std::uint64_t pte, unsigned long flags) {
    if constexpr (is_narrow)
        return status(raw(__HYPERVISOR_update_va_mapping, low(where), low(pte), high(pte), flags));
    return status(raw(__HYPERVISOR_update_va_mapping, where, pte, flags));
}

Status update_va_mapping_otherdomain(std::uint64_t where, std::uint64_t pte, unsigned long flags,
                                     DomainId owner) {
    if constexpr (is_narrow)
        return status(raw(__HYPERVISOR_update_va_mapping_otherdomain, low(where), low(pte), high(pte), flags,
                          owner.value()));
    return status(raw(__HYPERVISOR_update_va_mapping_otherdomain, where, pte, flags, owner.value()));
}

Result<unsigned> mmuext_op(std::span<mmuext_op_t> operations, DomainId owner) {
    unsigned done = 0;
    const long result = raw(__HYPERVISOR_mmuext_op, address(operations.data()), operations.size(),
                            address(&done), owner.value());
    if (result < 0)
        return std::unexpected{static_cast<Error>(-result)};
    return done;
}

Status mmuext(unsigned command, std::uint64_t argument, DomainId owner) {
    mmuext_op_t operation{};
    operation.cmd = command;
    operation.arg1.mfn = argument;
    const auto done = mmuext_op({&operation, 1}, owner);
    if (!done)
        return std::unexpected{done.error()};
    return {};
}

Result<long> memory_op(unsigned command, void* argument) {
    return checked(raw(__HYPERVISOR_memory_op, command, address(argument)));
}

Result<long> sched_op(unsigned command, void* argument) {
    return checked(raw(__HYPERVISOR_sched_op, command, address(argument)));
}

Status set_timer(GuestTime deadline) {
    const auto value = static_cast<std::uint64_t>(deadline.since_start().count());
    if constexpr (is_narrow)
        return status(raw(__HYPERVISOR_set_timer_op, low(value), high(value)));
    return status(raw(__HYPERVISOR_set_timer_op, value));
}

Result<long> vcpu_op(unsigned command, unsigned vcpu, void* argument) {
    return checked(raw(__HYPERVISOR_vcpu_op, command, vcpu, address(argument)));
}

Result<long> event_channel_op(unsigned command, void* argument) {
    return checked(raw(__HYPERVISOR_event_channel_op, command, address(argument)));
}

Result<long> grant_table_op(unsigned command, void* operations, unsigned count) {
    return checked(raw(__HYPERVISOR_grant_table_op, command, address(operations), count));
}

Result<long> console_io(unsigned command, std::span<char> text) {
    return checked(raw(__HYPERVISOR_console_io, command, text.size(), address(text.data())));
}

Result<long> xen_version(unsigned command, void* argument) {
    return checked(raw(__HYPERVISOR_xen_version, command, address(argument)));
}

Status multicall(std::span<multicall_entry> calls) {
    return status(raw(__HYPERVISOR_multicall, address(calls.data()), calls.size()));
}

} // namespace bulkhead::guest::hypercall
