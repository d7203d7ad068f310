// The hypervisor's own half of every address space: built once at boot, the same tables for all domains.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"

#include <cstddef>
#include <span>

namespace bulkhead::hv {

struct MemoryRange {
    std::uint64_t start, end; // physical, bytes
};

// Takes frames from the front of one range before the frame table exists.
class EarlyMemory {
  public:
    explicit EarlyMemory(MemoryRange range) : next_{range.start}, end_{range.end} {}
    // Physical address of `bytes` zeroed bytes, page-aligned. Refuses the machine if it is too small.
    [[nodiscard]] std::uint64_t take(std::uint64_t bytes);
    // The same, not zeroed: for what is written before it is read.
    [[nodiscard]] std::uint64_t take_as_it_is(std::uint64_t bytes);
    [[nodiscard]] MemoryRange rest() const { return {next_, end_}; }

  private:
    std::uint64_t next_, end_;
};

enum class Access : std::uint8_t { read, read_write, execute, guest_read };

// Builds the tables for all RAM in `ram`, switches to them, and starts the frame table and the
// machine-to-physical table.
void start_address_space(EarlyMemory& early, std::span<const MemoryRange> ram);
// Memory above what `early` has handed out becomes the frame table's; nothing more may be taken from `early`.
void free_remaining_memory(const EarlyMemory& early, std::span<const MemoryRange> ram);

// Makes the tables that mapping these addresses needs, which then stay. False if memory is short.
[[nodiscard]] bool reserve_hypervisor(std::uint64_t address, std::uint64_t bytes);
// Grows whenever an entry of the third or the fourth level appears: a copy of those is then to be made again.
[[nodiscard]] std::uint64_t upper_entries();
// Maps `bytes` of contiguous memory at a hypervisor address. Panics if a table is missing and there is no
// memory for it: reserve_hypervisor comes first wherever a guest may have used memory up.
void map_hypervisor(std::uint64_t address, std::uint64_t physical, std::uint64_t bytes, Access access);
// When either returns, no pCPU has an older translation of these addresses: the frames that were behind them
// may be given away. May wait for the other pCPUs, so neither is called where those wait for the caller
// without looking up (see wait_a_little).
void unmap_hypervisor(std::uint64_t address, std::uint64_t bytes);
// The frame behind a mapped hypervisor address.
[[nodiscard]] Mfn frame_behind(std::uint64_t address);

// The hypervisor's own root, in force while a pCPU is idle.
[[nodiscard]] Mfn idle_root();

} // namespace bulkhead::hv
