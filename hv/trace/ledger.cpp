#include "hv/trace/ledger.hpp"

#include "hv/arch/machine.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/core/domain.hpp"
#include "hv/trace/landmark.hpp"

namespace bulkhead::hv {

namespace {

std::int64_t discard = 0; // the per-domain side of time that belongs to no domain

RealTime post(Pcpu& self, std::int64_t* account, std::int64_t* total) {
    const auto now = machine::now();
    const auto elapsed = (now - self.posted).count();
    *self.account += elapsed;
    *self.total += elapsed;
    self.posted = now;
    self.ledger->end = now.since_start().count();
    self.account = account;
    self.total = total;
    return now;
}

void end_stretch(Pcpu& self, RealTime now, const Vcpu* vcpu) {
    const auto length = (now - self.stretch_start).count();
    auto& longest = landmark_page().r_max;
    if (length <= longest.ns)
        return;
    longest = {length,
               self.stretch_kind,
               self.stretch_number,
               vcpu != nullptr ? vcpu->domain->id.value() : trace::no_domain,
               self.id.value(),
               0};
}

} // namespace

void start_ledger() {
    auto& self = pcpu();
    self.ledger = &landmark_page().pcpu_ledgers[self.id.value()];
    self.posted = machine::now();
    self.stretch_start = self.posted;
    self.ledger->start = self.ledger->end = self.posted.since_start().count();
    self.account = &discard;
    self.total = &self.ledger->unbilled_ns;
}

void enter_hypervisor(Vcpu& vcpu) {
    auto& self = pcpu();
    self.stretch_start = post(self, &vcpu.domain->ledger->hypervisor_ns, &self.ledger->hypervisor_ns);
}

void leave_for_guest(Vcpu& vcpu) {
    auto& self = pcpu();
    end_stretch(self, post(self, &vcpu.domain->ledger->guest_ns, &self.ledger->guest_ns), &vcpu);
}

void name_stretch(StretchKind kind, std::uint32_t number) {
    auto& self = pcpu();
    self.stretch_kind = static_cast<std::uint32_t>(kind);
    self.stretch_number = number;
}

Nanos bill_to(Domain* domain) {
    auto& self = pcpu();
    const auto before = self.posted;
    const auto now = domain == nullptr
                         ? post(self, &discard, &self.ledger->unbilled_ns)
                         : post(self, &domain->ledger->hypervisor_ns, &self.ledger->hypervisor_ns);
    return now - before;
}

void begin_idle() {
    auto& self = pcpu();
    end_stretch(self, post(self, &discard, &self.ledger->idle_ns), self.current);
}

void end_idle() {
    auto& self = pcpu();
    self.stretch_start = post(self, &discard, &self.ledger->unbilled_ns);
    name_stretch(StretchKind::interrupt, 0);
}

Nanos stretch_length() { return machine::now() - pcpu().stretch_start; }

void post_ledger() {
    auto& self = pcpu();
    if (self.account == nullptr) // not open yet
        return;
    post(self, self.account, self.total);
}

} // namespace bulkhead::hv
