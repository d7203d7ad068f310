#include "hv/trace/trace.hpp"

#include "hv/arch/machine.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/core/domain.hpp"
#include "hv/trace/ring.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {
std::uint32_t enabled_groups = 0;

bool is_on(trace::Event event) {
    const auto& what = trace::descriptions[static_cast<std::size_t>(event)];
    return (enabled_groups & static_cast<std::uint32_t>(what.group)) != 0;
}

void write(RealTime now, trace::Event event, const Domain* domain, const Vcpu* vcpu, std::uint64_t a,
           std::uint64_t b) {
    auto& self = pcpu();
    auto& ring = *self.trace_ring;
    if (ring.written == ring.capacity) {
        ++ring.lost;
        return;
    }
    self.trace[ring.written] = {now.since_start().count(),
                                static_cast<std::uint16_t>(event),
                                domain != nullptr ? domain->id.value() : trace::no_domain,
                                vcpu != nullptr ? vcpu->id.value() : std::uint16_t{0},
                                self.id.value(),
                                a,
                                b};
    ++ring.written;
}
} // namespace

void start_trace(Pcpu& cpu, trace::Record* records, std::uint64_t capacity, std::uint32_t groups) {
    auto& ring = landmark_page().rings[cpu.id.value()];
    ring = {machine::frame_of(records).value() << page_shift, capacity, 0, 0};
    cpu.trace = records;
    cpu.trace_ring = &ring;
    enabled_groups = groups;
}

void trace_event(trace::Event event, const Domain* domain, const Vcpu* vcpu, std::uint64_t a,
                 std::uint64_t b) {
    if (is_on(event))
        write(machine::now(), event, domain, vcpu, a, b);
}

void trace_event_at(RealTime now, trace::Event event, const Domain* domain, const Vcpu* vcpu, std::uint64_t a,
                    std::uint64_t b) {
    if (is_on(event))
        write(now, event, domain, vcpu, a, b);
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
