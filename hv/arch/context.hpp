// The parts of a vCPU that live in the processor while it runs and are not in Registers: segments, bases,
// descriptor tables, address space, floating point.
#pragma once

namespace bulkhead::hv {

struct Pcpu;
struct Vcpu;

// On this pCPU, `self`. Saves what the guest may have changed; the address space stays loaded.
void save_context(Pcpu& self, Vcpu& vcpu);
void load_context(Pcpu& self, Vcpu& vcpu);
// Leaves a guest's address space, e.g. before it is torn down or the pCPU idles.
void load_idle_root();

} // namespace bulkhead::hv
