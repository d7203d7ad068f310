#include "hv/trace/ledger.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/landmark.hpp"

#include <atomic>

namespace bulkhead::hv {

namespace {

std::int64_t discard = 0; // the per-domain side of time that belongs to no domain

void post_at(Pcpu& self, RealTime now) {
    const auto elapsed = (now - self.posted).count();
    std::atomic_ref{*self.account}.fetch_add(elapsed,
                                             std::memory_order_relaxed); // a domain may run on several
    *self.total += elapsed;
    self.posted = now;
    self.ledger->end = now.since_start().count();
}

RealTime post(Pcpu& self, std::int64_t* account, std::int64_t* total, RealTime now = machine::now()) {
    post_at(self, now);
    self.account = account;
    self.total = total;
    return now;
}

void end_section(Pcpu& self, RealTime now, const Vcpu* vcpu) {
    const auto length = (now - self.section_start).count();
    auto& longest = self.longest;
    if (length <= longest.ns) [[likely]]
        return;
    longest = {length,
               self.section_kind,
               self.section_number,
               vcpu != nullptr ? vcpu->domain->id.value() : trace::no_domain,
               self.id.value(),
               0};
}

[[gnu::cold, gnu::noinline]] void leave_in_service(Pcpu& self, Vcpu& vcpu) {
    end_section(self, post(self, &vcpu.service.account->hypervisor_ns, &self.ledger->hypervisor_ns), &vcpu);
}

} // namespace

void start_ledger(RealTime now) {
    auto& self = pcpu();
    self.ledger = &landmark_page().pcpu_ledgers[self.id.value()];
    self.posted = self.section_start = now;
    self.waited = Nanos{0};
    self.ledger->start = self.ledger->end = self.posted.since_start().count();
    self.account = &discard;
    self.total = &self.ledger->unbilled_ns;
}

void enter_hypervisor(Vcpu& vcpu) {
    auto& self = pcpu();
    self.section_start = post(self, &vcpu.service.account->hypervisor_ns, &self.ledger->hypervisor_ns);
    self.waited = Nanos{0};
}

void leave_for_guest(Pcpu& self, Vcpu& vcpu) {
    if (vcpu.service.foreign) [[unlikely]] // work on the payer's behalf, as in the hypervisor
        return leave_in_service(self, vcpu);
    end_section(self, post(self, &vcpu.service.account->guest_ns, &self.ledger->guest_ns), &vcpu);
}

void name_section(landmark::SectionKind kind, std::uint32_t number) { name_section(pcpu(), kind, number); }

void name_section(Pcpu& self, landmark::SectionKind kind, std::uint32_t number) {
    self.section_kind = static_cast<std::uint32_t>(kind);
    self.section_number = number;
}

Nanos bill_to(Domain* domain) {
    auto& self = pcpu();
    const auto before = self.posted;
    const auto now = domain == nullptr
                         ? post(self, &discard, &self.ledger->unbilled_ns)
                         : post(self, &domain->ledger->hypervisor_ns, &self.ledger->hypervisor_ns);
    return now - before;
}

void bill_all_to(Domain& domain) {
    auto& self = pcpu();
    self.account = &domain.ledger->hypervisor_ns;
    self.total = &self.ledger->hypervisor_ns;
}

void bill_to(Pcpu& self, Domain& domain, RealTime now) {
    post(self, &domain.ledger->hypervisor_ns, &self.ledger->hypervisor_ns, now);
}

void begin_idle() {
    auto& self = pcpu();
    end_section(self, post(self, &discard, &self.ledger->idle_ns), self.current);
}

void end_idle() {
    auto& self = pcpu();
    self.section_start = post(self, &discard, &self.ledger->unbilled_ns);
    self.waited = Nanos{0};
    name_section(landmark::SectionKind::interrupt, 0);
}

Nanos section_length() { return machine::now() - pcpu().section_start; }

Nanos post_ledger() {
    auto& self = pcpu();
    if (self.account == nullptr) // not open yet
        return {};
    const auto before = self.posted;
    return post(self, self.account, self.total) - before;
}

void close_ledgers() {
    const auto now = machine::now();
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        if (auto& each = pcpu(PcpuId{static_cast<std::uint16_t>(i)}); each.account != nullptr)
            post_at(each, now);
}

} // namespace bulkhead::hv
