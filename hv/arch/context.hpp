// The parts of a vCPU that live in the processor while it runs and are not in Registers: segments, bases,
// descriptor tables, address space, floating point.
#pragma once

namespace bulkhead::hv {

struct Vcpu;

// Saves what the guest may have changed; the address space stays loaded.
void save_context(Vcpu& vcpu);
void load_context(Vcpu& vcpu);
// Leaves a guest's address space, e.g. before it is torn down or the pCPU idles.
void load_idle_root();
// Writes the fs and gs bases that the processor holds back into the current vCPU.
void save_segment_bases(Vcpu& vcpu);

} // namespace bulkhead::hv
