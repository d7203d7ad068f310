// Requests from one pCPU to others: to look at their queue again, to drop translations, to stop for good. A
// flush is carried out in the interrupt that announces it, or earlier, by a pCPU that is itself waiting.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

// From now on requests reach this pCPU: in its start, while it has no translation that could be old. The
// first pCPU is reachable from the beginning.
void become_reachable();
// Makes the pCPU enter the hypervisor soon. The data that it should find there must have been written before.
void kick(PcpuId pcpu);
// Interrupts another pCPU: its guest gets its events before it goes on.
void nudge(PcpuId pcpu);
// Drops the translations that others have asked for. From the interrupt handler and from wait_a_little().
void serve_flush();
// Halts for good if another pCPU ends the run. Only where nothing is held that the end of the run needs.
void stop_if_asked();
// Drops, on every pCPU but this one, translations of the hypervisor's own that were changed.
void flush_hypervisor_elsewhere();
// Brings every other pCPU to a final halt and returns when they have halted (or do not answer in time).
void stop_other_pcpus();

} // namespace bulkhead::hv
