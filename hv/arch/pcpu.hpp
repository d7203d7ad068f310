// A physical processor: its stack area, what it runs, its timers, its ledger and its trace ring. Found from
// the stack pointer alone, so that the guest's segment bases are never touched.
#pragma once

#include "abi/landmark.hpp"
#include "abi/plugin.hpp"
#include "abi/trace.hpp"
#include "host/schedulable.hpp"
#include "hv/arch/processor_state.hpp"
#include "hv/base/timer.hpp"

#include <atomic>

namespace bulkhead::hv {

struct Vcpu;

// Aligned to its size; the last 64 bytes hold the Pcpu pointer.
inline constexpr std::size_t stack_area_bytes = 32768;
inline constexpr std::size_t pointer_from_top = 64;
// Four of them lie at the bottom of the area, above a page that is not mapped.
inline constexpr std::size_t ist_stack_bytes = 4096;

inline constexpr std::uint32_t no_guest = 0xffff; // no domain has this number

// What a pCPU must do before it enters a guest: bits of Pcpu::work.
namespace work {
inline constexpr std::uint32_t dispatch = 1;  // ask the policy again
inline constexpr std::uint32_t timer = 2;     // timers are due: look at the queue
inline constexpr std::uint32_t new_timer = 4; // another deadline may be the next one
inline constexpr std::uint32_t stop = 8;      // the run is over
} // namespace work

// What a plug-in has of the hypervisor's addresses.
struct PluginRanges {
    std::uint64_t start = 0, end = 0;         // of its code; `end` is 0 for the built-in fallback
    std::uint64_t memory = 0, memory_end = 0; // of its regions, all that it may write
};

// The state of a call into a plug-in: where the hypervisor continues if the plug-in faults
// (hv/plugin/guard.*).
struct Guard {
    std::uint64_t rsp = 0; // 0: no plug-in call is in progress; first, guard.S writes it
    // Of the strict guard, for strict.S. CR3 outside of the hook in progress; 0: none is, or the guard is not
    // strict.
    std::uint64_t outer_root = 0;
    std::uint64_t strict_root = 0;
    std::uint64_t strict_stack = 0; // its top
    const PluginRanges* plugin = nullptr;
    RealTime deadline{};
    std::uint32_t looks = 0; // how often an interrupt found the call in progress and let it go on
    plugin::Fault fault = plugin::Fault::none; // set by the trap handler or by a service
    std::uint64_t fault_rip = 0;
    std::uint64_t fault_vector = 0;
    std::uint64_t fault_error = 0;   // the processor's error code
    std::uint64_t fault_address = 0; // of a page fault
};

// Fields belong to the pCPU itself, except those marked as shared with other pCPUs.
struct alignas(64) Pcpu {
    Guard guard; // first, for guard.S
    PcpuId id{};
    std::uint32_t apic_id = 0;
    std::atomic<std::uint32_t> work = work::dispatch; // others set bits too, then interrupt
    bool request_pending = false;                     // as work::timer, for a request of another pCPU
    bool house_waits = false;                         // housekeeping is due here
    bool device_waits = false;                        // and a device
    bool device_entry = false;                        // whose timer began this section
    // The vCPU that holds the pCPU; null while it is idle or being decided.
    Vcpu* current = nullptr;
    // The vCPU whose context the processor holds: current, or the last one until another is loaded.
    Vcpu* loaded = nullptr;
    sched::Stop stop_reason{};
    host::PcpuState sched;

    host::TimerQueue timers;
    RealTime slice_end = RealTime::never();  // of the current slice, or of a policy's idle period
    RealTime programmed = RealTime::never(); // the deadline that the local timer is set for
    RealTime expires = RealTime::never();    // when it interrupts for that deadline

    // The account is that of a timer's owner, which is not the current vCPU: see run_timers.
    bool serves_timer = false;
    Vcpu* timer_owner = nullptr; // the owner, or null once its timers are stopped; under the run lock

    // Ledger: since `posted`, time belongs to *account, but for `guest_ticks` of it, which are
    // *guest_account's.
    std::int64_t* account = nullptr;
    std::int64_t* total = nullptr; // the pCPU's own column for the same time
    // A domain's account that was in force where this pCPU was last asked to dispatch; nullptr: none was.
    std::atomic<std::int64_t*> asked_for{nullptr};
    std::int64_t* guest_account = nullptr;
    std::int64_t* guest_total = nullptr;
    // The vCPU that works for this entry goes in and out of the hypervisor without a change of accounts.
    const landmark::LedgerEntry* open_entry = nullptr;
    std::uint64_t guest_ticks = 0;
    std::uint64_t resumed = 0; // tick at which a guest was entered last
    RealTime posted{};
    landmark::PcpuLedger* ledger = nullptr;

    // The present non-preemptible section, in ticks of the time-stamp counter.
    std::uint64_t section_start = 0;
    std::uint64_t waited = 0;         // for other pCPUs, since then
    std::uint64_t section_budget = 0; // after which long work stops at its next safe point
    std::uint64_t longest_ticks = 0;  // of `longest`
    std::uint32_t section_kind = 0;
    std::uint32_t section_number = 0;
    landmark::NonPreemptibleSection longest{}; // of all so far; others read it

    trace::Record* trace = nullptr; // where record 0 of the run would lie: the ring's first one is `drained`
    std::uint64_t trace_limit = 0;  // number of the record that does not fit
    landmark::TraceRing* trace_ring = nullptr;
    std::uint64_t trace_tag = 0; // this pCPU's part of a record

    Selectors left_selectors{0xffff, 0xffff, 0xffff, 0xffff}; // what the last context left in the registers
    std::uint64_t loaded_gdt = 0;                             // base in force, to spare an lgdt
    std::uint64_t root = 0;                                   // CR3 in force
    std::atomic<std::uint32_t> space = no_guest; // whose page tables those are, a DomainId; others read it

    [[nodiscard]] bool has(std::uint32_t bits) const {
        return (work.load(std::memory_order_relaxed) & bits) != 0;
    }
    [[nodiscard]] bool is_asked() const { return work.load(std::memory_order_relaxed) != 0; }
    // False if it had been asked before.
    bool ask(std::uint32_t bit) { return (work.fetch_or(bit) & bit) == 0; }
    void done(std::uint32_t bit) { work.fetch_and(~bit); }
    bool take(std::uint32_t bit) { return has(bit) && (work.fetch_and(~bit) & bit) != 0; }
};

// When the pCPU's local timer must interrupt next.
[[nodiscard]] inline RealTime next_deadline(const Pcpu& cpu) {
    const auto first = cpu.timers.first();
    return first < cpu.slice_end ? first : cpu.slice_end;
}

// Where this pCPU's stack begins; the pointer to its Pcpu lies there.
[[nodiscard]] inline std::uint64_t stack_top() {
    std::uint64_t sp;
    asm("mov %%rsp, %0" : "=r"(sp));
    return (sp | (stack_area_bytes - 1)) - 63;
}
[[nodiscard]] inline Pcpu& pcpu() { return **reinterpret_cast<Pcpu**>(stack_top()); }
[[nodiscard]] Pcpu& pcpu(PcpuId id);
[[nodiscard]] std::uint32_t pcpu_count();

} // namespace bulkhead::hv
