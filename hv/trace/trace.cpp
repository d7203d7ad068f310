#include "hv/trace/trace.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/ring.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {
std::uint32_t enabled_groups = 0;

bool is_on(trace::Event event) {
    const auto& what = trace::descriptions[static_cast<std::size_t>(event)];
    return (enabled_groups & static_cast<std::uint32_t>(what.group)) != 0;
}

// The record's four short fields as one word.
constexpr std::uint64_t head(trace::Event event, trace::Who who) {
    return static_cast<std::uint64_t>(event) | who.bits;
}

void write(RealTime now, std::uint64_t head, std::uint64_t a, std::uint64_t b) {
    auto& self = pcpu();
    auto& ring = *self.trace_ring;
    const auto at = ring.written;
    if (at == ring.capacity) [[unlikely]] {
        ++ring.lost;
        return;
    }
    auto* const words = reinterpret_cast<std::uint64_t*>(self.trace + at); // of the record, four
    words[0] = static_cast<std::uint64_t>(now.since_start().count());
    words[1] = head | self.trace_tag;
    words[2] = a;
    words[3] = b;
    std::atomic_ref{ring.written}.store(at + 1, std::memory_order_release); // the outside may be reading
}
} // namespace

void start_trace(Pcpu& cpu, trace::Record* records, std::uint64_t capacity, std::uint32_t groups) {
    auto& ring = landmark_page().rings[cpu.id.value()];
    ring = {machine::frame_of(records).value() << page_shift, capacity, 0, 0};
    cpu.trace = records;
    cpu.trace_ring = &ring;
    cpu.trace_tag = std::uint64_t{cpu.id.value()} << 48;
    enabled_groups = groups;
}

void trace_event(trace::Event event, const Vcpu& vcpu, std::uint64_t a, std::uint64_t b) {
    if (is_on(event))
        write(machine::now(), head(event, vcpu.who), a, b);
}

void trace_event(trace::Event event, const Domain& domain, std::uint64_t a, std::uint64_t b) {
    if (is_on(event))
        write(machine::now(), head(event, trace::Who{domain.id, VcpuId{0}}), a, b);
}

void trace_event(trace::Event event, std::uint64_t a, std::uint64_t b) {
    if (is_on(event))
        write(machine::now(), head(event, trace::nobody), a, b);
}

void trace_event_at(RealTime now, trace::Event event, const Vcpu& vcpu, std::uint64_t a, std::uint64_t b) {
    if (is_on(event))
        write(now, head(event, vcpu.who), a, b);
}

TraceMark trace_mark() {
    const auto& self = pcpu();
    return {self.id, self.trace_ring != nullptr ? self.trace_ring->written : 0};
}

std::span<const trace::Record> trace_tail(const TraceMark& mark, std::size_t n) {
    const auto count = std::min<std::size_t>(n, mark.written);
    return {pcpu(mark.pcpu).trace + (mark.written - count), count};
}

} // namespace bulkhead::hv
