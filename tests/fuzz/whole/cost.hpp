// How long the hypervisor keeps others waiting, in basic blocks of its own code: the same on every computer.
// The limits are what the fuzzers have seen, and a quarter more; docs/hostile-guests.md has the bounds in
// time.
#pragma once

#include <cstdint>
#include <string>

namespace bulkhead::hv::whole {

// A section without a preemption point: the budget after which long work stops at its next safe point, and
// the longest piece of work between two of them.
inline constexpr std::uint64_t longest_section = 8'000;
inline constexpr std::uint64_t longest_piece = 3'000; // of these
// A lock is held. Calls of domain 0 hold the control lock, for which no guest waits, as long as a section.
inline constexpr std::uint64_t longest_hold = 6'000;
// The drive lock is held for as many requests as a section's budget has time for (hv/base/locks.hpp).
inline constexpr std::uint64_t longest_drive_hold = longest_section;
// A hook of the policy that is built in.
inline constexpr std::uint64_t longest_hook = 600;

void watch_locks();
void note_hook(std::uint64_t blocks);
// Empty if everything since the last call was within the limits.
[[nodiscard]] std::string what_took_too_long();

} // namespace bulkhead::hv::whole
