// Setting up a pCPU's trace ring; writing is in trace.hpp.
#pragma once

#include "abi/trace.hpp"
#include "hv/trace/landmark.hpp"

namespace bulkhead::hv {

struct Pcpu;

// `records` is zeroed memory for `capacity` of them; `groups` are trace::Group bits.
void start_trace(Pcpu& cpu, trace::Record* records, std::uint64_t capacity, std::uint32_t groups);

} // namespace bulkhead::hv
