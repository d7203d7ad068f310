// A virtual processor: its saved state, what its kernel registered, and where it stands with the scheduler.
#pragma once

#include "abi/trace.hpp"
#include "abi/types.hpp"
#include "hv/arch/registers.hpp"
#include "hv/base/timer.hpp"
#include "sched/contract.hpp"

extern "C" {
#include <xen/vcpu.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct Domain;

// The scheduler's states (sched/contract.hpp) and, orthogonally, reasons that keep a vCPU from being
// runnable.
enum class RunState : std::uint8_t { offline, blocked, queued, running };

struct TrapHandler {
    std::uint64_t address; // 0: not registered
    std::uint16_t selector;
    std::uint8_t
        privilege; // least CPL that may raise it by INT n, as the guest sees levels (0 kernel, 3 user)
    bool mask_events;
};

struct alignas(8) Selectors {
    std::uint16_t ds, es, fs, gs;
};

struct Callback {
    std::uint64_t address = 0;
    bool mask_events = false;
};

// alignas: the processor pushes its frame right below `hypervisor_stack`, which must be 16-byte aligned.
struct alignas(64) Vcpu {
    Registers regs;
    std::uint64_t
        hypervisor_stack; // top of the stack of the pCPU it runs on; read by the entry path right above regs

    Domain* domain;
    VcpuId id;
    trace::Who who = trace::nobody; // id and domain, for the trace
    PcpuId pcpu;                    // where it runs or ran last
    std::uint32_t slot;             // global number, selects its descriptor area

    // Address spaces: frame numbers of the L4s, 0 for none. The user root is in force when !in_kernel.
    Mfn kernel_root, user_root;
    bool in_kernel;
    bool initialised;   // has a context
    std::uint8_t iopl;  // virtual I/O privilege level
    bool task_switched; // the guest's virtual CR0.TS

    std::uint64_t kernel_sp;
    std::uint64_t kernel_ss;
    Callback event_callback, failsafe_callback, syscall_callback;
    Callback syscall32_callback, sysenter_callback, nmi_callback;
    TrapHandler* traps; // 256 of them, from the domain's metadata quota

    // Segments that are not in Registers.
    Selectors selectors;
    std::uint64_t fs_base, gs_base_kernel, gs_base_user; // the active gs base is the kernel's while in_kernel
    Mfn gdt_frames[16];
    std::uint32_t gdt_entries; // 0: only the hypervisor's flat segments
    Mfn ldt_frames[16];
    Mfn taken_frames[16]; // what an interrupted set_gdt or set_ldt has taken already, for the one that goes
                          // on
    std::uint64_t ldt_base;
    std::uint32_t ldt_entries;
    std::uint64_t debug[8];
    std::uint64_t cr4; // what the guest believes

    std::byte* fpu_state; // XSAVE area

    vcpu_info_t* info; // in shared_info or in a page registered by the guest (direct map address)
    Mfn info_frame;    // the registered page's frame, 0 if in shared_info

    // Runstate as the guest is told, exact to the nanosecond.
    std::uint32_t runstate; // RUNSTATE_*
    RealTime runstate_since;
    Nanos runstate_time[4];
    std::uint64_t runstate_area; // guest virtual address, 0 for none
    std::uint64_t time_area;     // guest virtual address of a vcpu_time_info copy, 0 for none
    std::uint32_t time_area_version;
    bool runstate_late, time_late; // an area waits for the kernel's address space

    // The one-shot timer's deadline in the guest's own time; its real one is in `oneshot`.
    GuestTime oneshot_deadline;
    bool oneshot_waits;    // until the vCPU runs: its clock stands still, see clock_stands_still
    Nanos periodic_period; // in real time; 0: off
    bool polling;
    std::uint32_t polled_port; // single polled port, or 0 if several: any event wakes it

    // Scheduling.
    RunState state;
    std::uint32_t pause_count; // vCPU-level; the domain has its own
    bool online;               // VCPUOP_up
    bool waiting;              // its guest asked to block or poll, and no event has come yet
    std::uint64_t affinity;    // bit n: may run on pCPU n
    RealTime runnable_since;
    RealTime run_since;
    Nanos other_work;    // hypervisor work for others done while this vCPU held the pCPU; not billed to it
    sched::Vcpu* policy; // the policy's part, base first
    Timer oneshot, periodic, poll; // VCPUOP/set_timer_op, periodic tick, SCHEDOP_poll

    std::uint32_t dumped : 1;
};

// Vcpu is not of standard layout (timers have a base); both compilers define offsetof for it all the same.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
static_assert(offsetof(Vcpu, regs) == 0 && offsetof(Vcpu, hypervisor_stack) == sizeof(Registers));
#pragma GCC diagnostic pop

} // namespace bulkhead::hv
