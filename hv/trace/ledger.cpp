#include "hv/trace/ledger.hpp"

#include "host/section.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/landmark.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {

std::int64_t discard = 0; // the per-domain side of time that belongs to no domain

// A domain may run on several pCPUs.
void add(std::int64_t& account, std::int64_t amount) {
    std::atomic_ref{account}.fetch_add(amount, std::memory_order_relaxed);
}

void post_at(Pcpu& self, RealTime now) {
    auto elapsed = (now - self.posted).count();
    if (self.guest_ticks != 0) {
        const auto guest = std::min(machine::length_of(self.guest_ticks).count(), elapsed);
        add(*self.guest_account, guest);
        *self.guest_total += guest;
        elapsed -= guest;
        self.guest_ticks = 0;
    }
    add(*self.account, elapsed);
    *self.total += elapsed;
    self.posted = now;
    self.ledger->end = now.since_start().count();
}

void use(Pcpu& self, std::int64_t* account, std::int64_t* total) {
    self.account = account;
    self.total = total;
    self.open_entry = nullptr;
}

RealTime post(Pcpu& self, std::int64_t* account, std::int64_t* total, RealTime now = machine::now()) {
    post_at(self, now);
    use(self, account, total);
    return now;
}

void begin_section(Pcpu& self, std::uint64_t tick) {
    self.section_start = tick;
    self.waited = 0;
}

void end_section(Pcpu& self, std::uint64_t tick, const Vcpu* vcpu) {
    const auto ticks = tick - self.section_start;
    if (ticks <= self.longest_ticks) [[likely]]
        return;
    self.longest_ticks = ticks;
    self.longest = {machine::length_of(ticks).count(),
                    self.section_kind,
                    self.section_number,
                    vcpu != nullptr ? vcpu->domain->id.value() : trace::no_domain,
                    self.id.value(),
                    0};
}

// Both accounts of what the vCPU works for: domain 0's time for another domain is the hypervisor's.
void open_accounts(Pcpu& self, const Vcpu& vcpu) {
    auto& entry = *vcpu.service.account;
    if (self.account != &entry.hypervisor_ns || self.guest_ticks != 0)
        post(self, &entry.hypervisor_ns, &self.ledger->hypervisor_ns);
    self.guest_account = vcpu.service.foreign ? &entry.hypervisor_ns : &entry.guest_ns;
    self.guest_total = vcpu.service.foreign ? &self.ledger->hypervisor_ns : &self.ledger->guest_ns;
    self.open_entry = &entry;
}

} // namespace

void start_ledger(RealTime now) {
    auto& self = pcpu();
    self.ledger = &landmark_page().pcpu_ledgers[self.id.value()];
    self.posted = now;
    begin_section(self, machine::tsc());
    constexpr std::int64_t budgets_per_second = milliseconds(1'000).count() / host::section_budget.count();
    self.section_budget = machine::tsc_scale().hz / static_cast<std::uint64_t>(budgets_per_second);
    self.ledger->start = self.ledger->end = self.posted.since_start().count();
    use(self, &discard, &self.ledger->unbilled_ns);
}

void change_accounts(Pcpu& self, const Vcpu& vcpu, std::uint64_t tick) {
    end_section(self, tick, &vcpu);
    if (self.open_entry != vcpu.service.account)
        open_accounts(self, vcpu);
}

Nanos bill_to(Domain* domain) {
    auto& self = pcpu();
    const auto before = self.posted;
    const auto now = domain == nullptr
                         ? post(self, &discard, &self.ledger->unbilled_ns)
                         : post(self, &domain->ledger->hypervisor_ns, &self.ledger->hypervisor_ns);
    return now - before;
}

void bill_section_to(Domain& domain) {
    auto& self = pcpu();
    if (const auto start = machine::time_of(self.section_start); start > self.posted)
        post_at(self, start);
    use(self, &domain.ledger->hypervisor_ns, &self.ledger->hypervisor_ns);
}

void bill_to(Pcpu& self, Domain& domain, RealTime now) {
    post(self, &domain.ledger->hypervisor_ns, &self.ledger->hypervisor_ns, now);
}

void bill_run(Pcpu& self, const Vcpu& vcpu, RealTime now) {
    bill_to(self, *vcpu.service.payer, now);
    if (!vcpu.service.foreign) [[likely]]
        open_accounts(self, vcpu);
}

void note_request(Pcpu& of) {
    const Pcpu& self = pcpu();
    of.asked_for.store(self.total == &self.ledger->hypervisor_ns ? self.account : nullptr,
                       std::memory_order_relaxed);
}

void bill_vain_request(Pcpu& self) {
    if (self.total != &self.ledger->unbilled_ns)
        return;
    if (auto* const payer = self.asked_for.exchange(nullptr, std::memory_order_relaxed))
        use(self, payer, &self.ledger->hypervisor_ns);
}

void bill_wake(Pcpu& self, const Vcpu& vcpu, RealTime now) {
    self.asked_for.store(nullptr, std::memory_order_relaxed);
    if (self.total == &self.ledger->unbilled_ns)
        use(self, &vcpu.service.payer->ledger->hypervisor_ns, &self.ledger->hypervisor_ns);
    bill_run(self, vcpu, now);
}

void begin_idle() {
    auto& self = pcpu();
    const auto tick = machine::tsc();
    post(self, &discard, &self.ledger->idle_ns, machine::time_of(tick));
    end_section(self, tick, self.current);
}

void end_idle() {
    auto& self = pcpu();
    const auto tick = machine::tsc();
    post(self, &discard, &self.ledger->unbilled_ns, machine::time_of(tick));
    begin_section(self, tick);
    name_section(self, landmark::SectionKind::interrupt, 0);
}

Nanos section_length() { return machine::length_of(machine::tsc() - pcpu().section_start); }

Nanos post_ledger() {
    auto& self = pcpu();
    if (self.account == nullptr) // not open yet
        return {};
    const auto before = self.posted;
    post_at(self, machine::now());
    return self.posted - before;
}

void close_ledgers() {
    const auto now = machine::now();
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        if (auto& each = pcpu(PcpuId{static_cast<std::uint16_t>(i)}); each.account != nullptr)
            post_at(each, now);
}

} // namespace bulkhead::hv
