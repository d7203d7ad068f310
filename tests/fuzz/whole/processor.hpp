// The processors under the whole hypervisor, as a program of the host: RAM, the hypervisor's own address
// space, a clock that counts the basic blocks which the hypervisor runs, and what each pCPU's TLB may hold.
// The hypervisor's tables are the real ones; an access to an address of its half is mapped when it faults, as
// a processor would walk them.
#pragma once

#include "abi/types.hpp"
#include "tests/fuzz/blocks.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace bulkhead::hv::whole {

inline constexpr std::uint64_t ram_frames = 2048, ram_bytes = ram_frames * page_bytes;
inline constexpr unsigned most_pcpus = 4;
inline constexpr std::int64_t block_ns = 4; // what a basic block of the hypervisor takes

using test::blocks;

// Makes RAM and the range of hypervisor addresses. Once.
void make_memory();
// Forgets what was mapped and cached: the machine's memory was replaced.
void forget_translations();
// Control registers are part of what each run begins with: a root of the last run's guests is nobody's now.
void keep_control_registers();
void restore_control_registers();

// The clock: blocks, and the time that guests spend.
[[nodiscard]] std::int64_t clock_now();
void pass(std::int64_t ns);
void set_clock(std::int64_t ns);

// CR2 at the next page fault.
void set_fault_address(std::uint64_t address);

// Of the hypervisor's half, on all pCPUs. What a pCPU may hold is everything that was present at any time
// since it last dropped it; a load of CR3 drops nothing, because the entries are global.
//
// Empty if no pCPU holds a translation that the tables no longer have.
[[nodiscard]] std::string stale_translation();
// Whether a page of it was used first or dropped since then.
[[nodiscard]] bool is_half_in_motion();
// Whether some pCPU may still reach a frame through the hypervisor's half.
[[nodiscard]] bool reached_by_hypervisor(Mfn mfn);
// Frames of the hypervisor's that its half uses: tables, and pages that it maps.
[[nodiscard]] std::uint64_t frames_of_half();

// Called whenever the current pCPU drops its guest translations, with the root that is in force then.
extern std::function<void(PcpuId pcpu, Mfn root)> on_guest_flush;

} // namespace bulkhead::hv::whole
