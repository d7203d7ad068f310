// Writing the trace: per-pCPU rings of abi/trace.hpp records in memory that the outside world maps. Costs a
// mask test when a group is off, about twenty instructions when it is on.
#pragma once

#include "abi/trace.hpp"

#include <cstddef>
#include <span>

namespace bulkhead::hv {

struct Domain;
struct Vcpu;

// Whether records of the event are wanted: the mask test, for those that are made up with some work.
inline constinit std::uint32_t traced_groups = 0;
[[nodiscard]] inline bool is_traced(trace::Event event) {
    const auto& what = trace::descriptions[static_cast<std::size_t>(event)];
    return (traced_groups & static_cast<std::uint32_t>(what.group)) != 0;
}

// One record at the present time: of a vCPU, of a domain, of neither.
void trace_event(trace::Event event, const Vcpu& vcpu, std::uint64_t a, std::uint64_t b);
void trace_event(trace::Event event, const Domain& domain, std::uint64_t a, std::uint64_t b);
void trace_event(trace::Event event, std::uint64_t a, std::uint64_t b);
// For an instant that the caller has just read.
void trace_event_at(RealTime now, trace::Event event, const Vcpu& vcpu, std::uint64_t a, std::uint64_t b);

// A place in a pCPU's trace: after the records written until now.
struct TraceMark {
    PcpuId pcpu;
    std::uint64_t written;
};
[[nodiscard]] TraceMark trace_mark();
// The last records before the mark, oldest first, at most n, and only of those that the ring still holds.
// They stay where they are until the ring is full.
[[nodiscard]] std::span<const trace::Record> trace_tail(const TraceMark& mark, std::size_t n);

} // namespace bulkhead::hv
