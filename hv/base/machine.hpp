// Everything the portable part of the hypervisor asks of the processor. hv/arch implements it for real; the
// host's unit tests implement it over ordinary memory (tests/unit/machine_host.cpp), so that all logic above
// runs under sanitizers.
#pragma once

#include "abi/types.hpp"

#include <cstddef>
#include <optional>

namespace bulkhead::hv::machine {

// Real time since the hypervisor started. Never goes backwards.
[[nodiscard]] RealTime now();

// Raw time-stamp counter, and the conversion that guests are given in vcpu_time_info: ns = (tsc << shift) *
// mul >> 32.
[[nodiscard]] std::uint64_t tsc();
// Real time at which the counter showed `tsc`.
[[nodiscard]] RealTime time_of(std::uint64_t tsc);
// How long so many ticks of it take.
[[nodiscard]] Nanos length_of(std::uint64_t ticks);
struct TscScale {
    std::uint64_t hz;
    std::uint64_t origin; // the counter at real time 0
    std::uint32_t mul;
    std::int8_t shift;
};
[[nodiscard]] TscScale tsc_scale();

[[nodiscard]] PcpuId this_pcpu();

// The frame's bytes in the hypervisor's own direct map. `mfn` must be RAM.
[[nodiscard]] void* frame_data(Mfn mfn);
template<class T>
[[nodiscard]] T* frame_as(Mfn mfn) {
    return static_cast<T*>(frame_data(mfn));
}
[[nodiscard]] Mfn frame_of(const void* direct_map_address);
// Fills the frame with zeroes.
void clear_frame(Mfn mfn);

// Copies between the hypervisor and the current guest's virtual memory. False if a page is missing or not
// permitted; some bytes may then have been copied. Addresses in the hypervisor's range are refused. Never
// faults the hypervisor.
[[nodiscard]] bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes);
[[nodiscard]] bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes);

// From now on, on every pCPU, copies ask may_reach_hypervisor() (hv/mm/linear.hpp) about their addresses. The
// caller has all pCPUs answer a flush next.
void check_copies();

// Writes one page-table entry so that a processor walking the table sees the old or the new value, never a
// mixture, and atomically with respect to its accessed/dirty updates. compare_exchange returns whether
// `expected` was still there.
[[nodiscard]] bool compare_exchange_entry(std::uint64_t* entry, std::uint64_t expected,
                                          std::uint64_t desired);

// Between two looks at something that another pCPU must change: a lock, an answer. Does what others ask of
// this pCPU meanwhile, so that waiting for each other ends.
void wait_a_little();
// The same where the work of this pCPU may be left as it is for ever: no lock is held, and no place in a
// queue for one that the end of a run needs. Does not return once the run is over.
void wait_at_rest();

// Translations of the current address space on this pCPU.
void flush_tlb();
void flush_tlb_page(GuestAddress address);

// The same on every pCPU of a mask (bit n: pCPU n), finished when this returns.
void flush_tlb_on(std::uint64_t pcpus);
void flush_tlb_page_on(std::uint64_t pcpus, GuestAddress address);

// The pCPUs that may hold translations of a domain's page tables, or of anybody's.
[[nodiscard]] std::uint64_t pcpus_using(DomainId domain);
[[nodiscard]] std::uint64_t pcpus_using_any();

// Changes the root of the current address space (CR3).
void load_root(Mfn l4);

// Fills a fresh L4 with the hypervisor's own entries (slots 256..271).
void install_hypervisor_slots(std::uint64_t* l4);

// The read-only machine-to-physical table that guests see.
void set_m2p(Mfn mfn, std::uint64_t pfn);
[[nodiscard]] std::uint64_t get_m2p(Mfn mfn);
inline constexpr std::uint64_t m2p_invalid = ~std::uint64_t{0};

// Maps up to 16 frames as a vCPU's guest descriptor table area (read-only, supervisor), or unmaps with count
// 0. In force at once if that vCPU runs here. `slot` is the global vCPU slot (SchedulableVcpu::slot); the LDT
// has its own 16 pages in it. At most `before` frames are mapped so far.
void map_descriptors(std::uint32_t slot, bool ldt, const Mfn* frames, std::uint32_t count,
                     std::uint32_t before = 16);

// One byte to the machine's console.
void put_console(char byte);
// One byte that came in on it, or nothing. Asked only for a console that is a terminal.
[[nodiscard]] std::optional<char> get_console();

// Ends everything with a line of explanation and the dump of the state. Never returns.
[[noreturn]] void panic(const char* message);
// Memory is short for something that the machine cannot do without. Before guests run, the machine is refused
// as bad input, with that line. Later it is a panic: what the hypervisor needs then was set aside before.
[[noreturn]] void out_of_memory(const char* message);

// True when a long operation should stop at its next safe point: the budget of this non-preemptible section
// (about 20 us) is used up or an interrupt waits.
[[nodiscard]] bool should_preempt();
// The same; `now` becomes the present instant.
[[nodiscard]] bool should_preempt(RealTime& now);

} // namespace bulkhead::hv::machine
