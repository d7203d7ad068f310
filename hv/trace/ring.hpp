// Setting up a pCPU's trace ring; writing is in trace.hpp.
#pragma once

#include "abi/trace.hpp"
#include "hv/trace/landmark.hpp"

namespace bulkhead::hv {

struct Pcpu;

// What the trace records, and whether the world outside drains full rings.
struct TraceRules {
    std::uint32_t groups; // trace::Group bits
    bool drained;
};
void start_trace(const TraceRules& rules);
// `records` is zeroed memory for `capacity` of them, at least one.
void start_ring(Pcpu& cpu, trace::Record* records, std::uint64_t capacity);

} // namespace bulkhead::hv
