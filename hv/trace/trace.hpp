// Writing the trace: per-pCPU rings of abi/trace.hpp records in memory that the outside world maps. Costs a
// mask test when a group is off, about twenty instructions when it is on.
#pragma once

#include "abi/trace.hpp"

#include <cstddef>

namespace bulkhead::hv {

struct Domain;
struct Vcpu;

// One record at the present time. `domain` and `vcpu` may be null.
void trace_event(trace::Event event, const Domain* domain, const Vcpu* vcpu, std::uint64_t a,
                 std::uint64_t b);

// Copies the last records of this pCPU, oldest first, into `out`; returns how many (at most n).
[[nodiscard]] std::size_t trace_tail(trace::Record* out, std::size_t n);

} // namespace bulkhead::hv
