#include "hv/trace/trace.hpp"

#include "abi/steering.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/power.hpp"
#include "hv/base/lock.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/ring.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {
bool drained = false;
constinit Lock<Rank::trace> drain_lock; // a leaf: a record may be written under any other lock

// The record's four short fields as one word.
constexpr std::uint64_t head(trace::Event event, trace::Who who) {
    return static_cast<std::uint64_t>(event) | who.bits;
}

// The ring holds the records from `first` on, at its beginning.
void open_ring(Pcpu& self, std::uint64_t first) {
    auto& ring = *self.trace_ring;
    const auto records = machine::frame_as<std::byte>(Mfn{ring.physical >> page_shift});
    self.trace = reinterpret_cast<trace::Record*>(reinterpret_cast<std::uint64_t>(records) -
                                                  first * sizeof(trace::Record));
    self.trace_limit = first + ring.capacity;
    std::atomic_ref{ring.drained}.store(first, std::memory_order_release);
}

// The machine stands still, clock and all, until the world outside has taken the full ring's records. False
// if nobody takes them.
[[gnu::cold, gnu::noinline]] bool drain(Pcpu& self) {
    if (!drained)
        return false;
    const LockGuard one{drain_lock};
    auto& page = landmark_page();
    const auto number = page.drains + 1;
    page.draining = self.id.value();
    std::atomic_ref{page.drains}.store(number, std::memory_order_release);
    ring_doorbell(static_cast<std::uint16_t>(steering::trace_doorbell + number % 2));
    open_ring(self, self.trace_ring->written);
    return true;
}

void put(const Pcpu& self, landmark::TraceRing& ring, RealTime now, std::uint64_t head, std::uint64_t a,
         std::uint64_t b) {
    const auto at = ring.written;
    auto* const words = reinterpret_cast<std::uint64_t*>(self.trace + at); // of the record, four
    words[0] = static_cast<std::uint64_t>(now.since_start().count());
    words[1] = head | self.trace_tag;
    words[2] = a;
    words[3] = b;
    std::atomic_ref{ring.written}.store(at + 1, std::memory_order_release); // the outside may be reading
}

[[gnu::cold, gnu::noinline]] void write_when_full(RealTime now, std::uint64_t head, std::uint64_t a,
                                                  std::uint64_t b) {
    auto& self = pcpu();
    if (drain(self))
        return put(self, *self.trace_ring, now, head, a, b);
    ++self.trace_ring->lost;
    const DomainId id{static_cast<std::uint16_t>(head >> 16)};
    if (const Domain* domain = id.value() < max_domains ? find_domain(id) : nullptr)
        count(domain->ledger->trace_lost);
}

void write(RealTime now, std::uint64_t head, std::uint64_t a, std::uint64_t b) {
    auto& self = pcpu();
    auto& ring = *self.trace_ring;
    if (ring.written == self.trace_limit) [[unlikely]]
        return write_when_full(now, head, a, b);
    put(self, ring, now, head, a, b);
}
} // namespace

void start_trace(const TraceRules& rules) {
    traced_groups = rules.groups;
    drained = rules.drained;
}

void start_ring(Pcpu& cpu, trace::Record* records, std::uint64_t capacity) {
    auto& ring = landmark_page().rings[cpu.id.value()];
    ring = {machine::frame_of(records).value() << page_shift, capacity, 0, 0, 0};
    cpu.trace_ring = &ring;
    cpu.trace_tag = std::uint64_t{cpu.id.value()} << 48;
    open_ring(cpu, 0);
}

void trace_event(trace::Event event, const Vcpu& vcpu, std::uint64_t a, std::uint64_t b) {
    if (is_traced(event))
        write(machine::now(), head(event, vcpu.who), a, b);
}

void trace_event(trace::Event event, const Domain& domain, std::uint64_t a, std::uint64_t b) {
    if (is_traced(event))
        write(machine::now(), head(event, trace::Who{domain.id, VcpuId{0}}), a, b);
}

void trace_event(trace::Event event, std::uint64_t a, std::uint64_t b) {
    if (is_traced(event))
        write(machine::now(), head(event, trace::nobody), a, b);
}

void trace_event_at(RealTime now, trace::Event event, const Vcpu& vcpu, std::uint64_t a, std::uint64_t b) {
    if (is_traced(event))
        write(now, head(event, vcpu.who), a, b);
}

TraceMark trace_mark() {
    const auto& self = pcpu();
    return {self.id, self.trace_ring != nullptr ? self.trace_ring->written : 0};
}

std::span<const trace::Record> trace_tail(const TraceMark& mark, std::size_t n) {
    const auto first = pcpu(mark.pcpu).trace_ring != nullptr ? pcpu(mark.pcpu).trace_ring->drained : 0;
    const auto count = std::min<std::size_t>(n, mark.written - std::min(first, mark.written));
    return {pcpu(mark.pcpu).trace + (mark.written - count), count};
}

} // namespace bulkhead::hv
