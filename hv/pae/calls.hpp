// Hypercalls of 32-bit guests. A call whose arguments have the same form in both widths goes to the handler
// that 64-bit guests use; the others are read here in their own form (abi/pae.hpp) and handed on.
#pragma once

#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

struct Pcpu;

// INT 0x82 of a kernel in ring 1: the number is in eax, arguments in ebx, ecx, edx, esi, edi and ebp.
void handle_pae_hypercall(Pcpu& self, Vcpu& vcpu);

} // namespace bulkhead::hv
