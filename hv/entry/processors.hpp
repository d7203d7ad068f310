// All processors of the machine: finding them, and starting the others once the first has built everything.
#pragma once

#include "hv/arch/address_space.hpp"

namespace bulkhead::hv {

struct Pcpu;

// What a processor keeps of itself, constructed; the boot processor's comes first of all.
Pcpu& make_pcpu(PcpuId id);
// On the boot page tables: which processors become pCPUs; pcpu_count() is known from then on. `wanted` of
// them, evenly spread over the machine's list, or all (0). The last of the others keeps turns if the clock
// counts the instructions of all.
void choose_processors(std::uint32_t wanted, bool counted);
// Stack areas of all but the first, while early memory lasts.
void reserve_stacks(EarlyMemory& early);
// Starts every other pCPU, and the keeper of turns first. The pCPUs wait until the ledgers open, all at the
// same instant, and then dispatch. Panics if one does not come.
void start_other_processors();
// Opens the ledgers of all pCPUs, this one's included, and lets the others go.
void release_processors();

} // namespace bulkhead::hv
