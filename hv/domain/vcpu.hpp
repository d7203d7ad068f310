// A virtual processor: its saved state, what its kernel registered, and its standing with the scheduler.
#pragma once

#include "abi/landmark.hpp"
#include "abi/trace.hpp"
#include "abi/types.hpp"
#include "hv/arch/processor_state.hpp"
#include "hv/arch/registers.hpp"
#include "hv/base/timer.hpp"
#include "hv/domain/schedulable.hpp"
#include "hv/mm/vcpu_tables.hpp"
#include "hv/trap/guest_entries.hpp"
#include "hv/trap/last_exception.hpp"

extern "C" {
#include <xen/vcpu.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct Domain;

// The runstate as the guest is told, exact to the nanosecond.
struct Runstate {
    std::uint32_t state; // RUNSTATE_*
    RealTime since;
    Nanos time[4];
    std::uint64_t area; // guest virtual address, 0 for none
    bool late;          // the area waits for the kernel's address space
};

// The guest's own copy of its vcpu_time_info.
struct TimeArea {
    std::uint64_t address; // guest virtual address, 0 for none
    std::uint32_t version;
    bool late; // the area waits for the kernel's address space
};

struct VcpuTimers {
    Timer oneshot, periodic, poll; // VCPUOP/set_timer_op, periodic tick, SCHEDOP_poll
    GuestTime oneshot_deadline;    // in the guest's own time; the real one is in `oneshot`
    bool oneshot_waits;            // until the vCPU runs: its clock stands still, see clock_stands_still
    Nanos period;                  // of `periodic`, in real time; 0: off
    RealTime next_tick;            // of `periodic`, which is armed while the vCPU runs; never: unknown yet
    Nanos owed;                    // interrupt time for its timers that the policy was not told of
};

// SCHEDOP_poll.
struct Poll {
    bool active;
    std::uint32_t port; // single polled port, or 0 if several: any event wakes it
};

// How far an interrupted VCPUOP_initialise has come.
struct Initialising {
    std::uint64_t context; // its address; 0: none is under way
    std::uint32_t traps;   // as many of the trap table's entries were taken
};

// For whom it works: domain 0 for the domains that it serves, every other vCPU for its own.
struct Service {
    Domain* payer;
    landmark::LedgerEntry* account; // of the payer
    bool foreign;                   // the payer is not its own domain
    RealTime since;                 // of what is not charged yet, within a turn
    Nanos others;                   // sched.other_work at that time
};

// alignas: the processor pushes its frame right below `hypervisor_stack`, which must be 16-byte aligned.
struct alignas(64) Vcpu {
    Registers regs;
    // Top of the stack of the pCPU it runs on; read by the entry path right above regs.
    std::uint64_t hypervisor_stack;

    Domain* domain;
    VcpuId id;
    trace::Who who = trace::nobody; // id and domain, for the trace

    vcpu_info_t* info; // in shared_info or in a page registered by the guest (direct map address)
    Mfn info_frame;    // the registered page's frame, 0 if in shared_info

    ProcessorState processor;
    VcpuTables tables;
    GuestEntries entries;
    Runstate runstate;
    TimeArea time_area;
    VcpuTimers timers;
    Poll poll;
    Initialising initialising;
    SchedulableVcpu sched;
    Service service;
    LastException last_exception;
};

// Vcpu is not of standard layout (timers have a base); both compilers define offsetof for it all the same.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
static_assert(offsetof(Vcpu, regs) == 0 && offsetof(Vcpu, hypervisor_stack) == sizeof(Registers));
#pragma GCC diagnostic pop

} // namespace bulkhead::hv
