// Typed hypercalls: one thin function per call, arguments in the types of <xen/*.h>, results as Result.
// Nothing here keeps state or retries; `raw` is for tests and attacks that pass what no typed function would.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"
#include "guest/runtime/width.hpp"

#include <cstdint>
#include <span>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>

namespace bulkhead::guest {

// The page that the hypervisor fills with one 32-byte stub per call.
extern "C" std::byte hypercall_page[page_bytes];

namespace hypercall {

#ifdef __i386__
#define BULKHEAD_IN_REGISTERS [[gnu::regparm(3)]] // as in 64 bits, where the ABI of C++ says so
#else
#define BULKHEAD_IN_REGISTERS
#endif
// Any call with any five arguments; the register contents as they come back.
[[gnu::noinline]] BULKHEAD_IN_REGISTERS long raw(unsigned number, Word a = 0, Word b = 0, Word c = 0,
                                                 Word d = 0, Word e = 0);

// A pointer as an argument.
template<class T>
[[nodiscard]] Word address(T* pointer) {
    return reinterpret_cast<Word>(pointer);
}

// Negative results become errors, the rest stays a number.
[[nodiscard]] inline Result<long> checked(long result) {
    if (result < 0)
        return std::unexpected{static_cast<Error>(-result)};
    return result;
}
[[nodiscard]] inline Status status(long result) {
    if (result < 0)
        return std::unexpected{static_cast<Error>(-result)};
    return {};
}

// --- traps and the vCPU's own context ---
Status set_trap_table(const trap_info* sentinel_terminated); // nullptr clears the table
Status set_callbacks(const void* event, const void* failsafe, const void* syscall);
Status stack_switch(std::uint64_t ss, std::uint64_t rsp);
Status set_gdt(const xen_pfn_t* frames, unsigned entries);
Status update_descriptor(std::uint64_t machine_address, std::uint64_t descriptor);
Status set_segment_base(unsigned which, std::uint64_t base); // SEGBASE_*
Status fpu_taskswitch(bool set);
Status set_debugreg(unsigned reg, std::uint64_t value);
[[nodiscard]] std::uint64_t get_debugreg(unsigned reg);
Result<long> vm_assist(unsigned command, unsigned type);
Result<long> callback_op(unsigned command, void* argument);

// --- memory ---
// Number of updates carried out; a failed update is an error even if earlier ones were done.
Result<unsigned> mmu_update(std::span<const ::mmu_update> updates, DomainId owner = DomainId{DOMID_SELF});
Status update_va_mapping(std::uint64_t address, std::uint64_t pte, unsigned long flags);
Status update_va_mapping_otherdomain(std::uint64_t address, std::uint64_t pte, unsigned long flags,
                                     DomainId owner);
Result<unsigned> mmuext_op(std::span<mmuext_op_t> operations, DomainId owner = DomainId{DOMID_SELF});
Status mmuext(unsigned command, std::uint64_t argument = 0, DomainId owner = DomainId{DOMID_SELF});
Result<long> memory_op(unsigned command, void* argument);

// --- scheduling and time ---
Result<long> sched_op(unsigned command, void* argument);
Status set_timer(GuestTime deadline); // GuestTime{0} stops the timer
Result<long> vcpu_op(unsigned command, unsigned vcpu, void* argument);

// --- communication ---
Result<long> event_channel_op(unsigned command, void* argument);
// The call's own result; each operation carries its GNTST_* status inside.
Result<long> grant_table_op(unsigned command, void* operations, unsigned count);
Result<long> console_io(unsigned command, std::span<char> text);

// --- the rest ---
Result<long> xen_version(unsigned command, void* argument);
Status multicall(std::span<multicall_entry> calls);

} // namespace hypercall
} // namespace bulkhead::guest
