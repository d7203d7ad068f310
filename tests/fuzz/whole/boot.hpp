// The whole hypervisor, started as hv/entry/start.cpp starts it, on a machine of the host, with domain 0 and
// some guests that are about to run. Every run begins with that state, byte for byte.
#pragma once

#include "abi/types.hpp"
#include "hv/domain/domain.hpp"

#include <cstdint>

namespace bulkhead::hv::whole {

inline constexpr std::uint64_t dom0_frames = 24;
inline constexpr std::uint32_t policies = 4;      // that can be swapped in, as candidates 0 to 3
inline constexpr std::uint32_t ring_policies = 3; // likewise, after these, on a machine with rings
// Likewise, from this candidate on, on a machine with a policy of memory.
inline constexpr std::uint32_t first_memory_policy = policies + ring_policies, memory_policies = 3;

struct Size {
    unsigned pcpus;
    std::uint32_t guests, vcpus; // of each guest
    bool rings;                  // disks and network interfaces
    std::uint32_t zones = 0;     // memory is cut into, by a policy of memory; 0: no policy decides
};
// Starts the machine, or brings it back to where it was when it had just been started.
void begin_machine(const Size& size);
// Called when a machine does not start, or ends, for want of memory, with the reason. It may end the program.
extern void (*on_refusal)(const char* why);
// Frames that were free before there was a guest, and frames_of_half() then.
[[nodiscard]] std::uint64_t free_at_start();
[[nodiscard]] std::uint64_t half_at_start();

// Guests' memory, as far as pointers of calls reach it: at the same addresses for all.
inline constexpr std::uint64_t arena = 0x180000000000, arena_bytes = 4 << 20;
// What 32-bit guests' pointers reach.
inline constexpr std::uint64_t narrow_arena = 0x40000000, narrow_arena_bytes = 16 * page_bytes;
inline constexpr unsigned window = 300; // of a guest's L4 at first: shows its own tables
inline constexpr std::uint64_t stack_of_guests = arena + arena_bytes - page_bytes;

// What the next hook of a policy that is not built in does instead of its work.
enum class Misconduct : std::uint8_t { none, traps, lasts };
void misconduct(Misconduct next);
[[nodiscard]] std::uint64_t misconducts(); // so far

// Page tables over the first frames of a list, as a domain's builder leaves them: a root, three tables below
// it, and one leaf for each frame, read-only for the tables. The root shows itself. At least five frames.
void fill_tables(const Mfn* frames, std::uint32_t count);
[[nodiscard]] vcpu_guest_context_t context_of(Mfn root);

} // namespace bulkhead::hv::whole
