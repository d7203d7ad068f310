// The billing ledger: each nanosecond of a pCPU goes to exactly one account. Every change of account posts
// the time since the last change, so the columns add up by construction; abi/landmark.hpp shows them to the
// outside. A vCPU that goes in and out of the hypervisor changes between its two accounts so often that only
// the ticks in its guest are counted; what remains of the time until the next posting is the hypervisor's.
#pragma once

#include "abi/landmark.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Domain;
struct Vcpu;

// One more in a domain's column; its vCPUs may be counted on several pCPUs at once.
inline void count(std::uint64_t& column) { __atomic_fetch_add(&column, 1, __ATOMIC_RELAXED); }

// Opens this pCPU's ledger as of `now`: time is unbilled until an account is named.
void start_ledger(RealTime now);

// A reader sees no time older than this much of the guest's, in ticks, as long as the guest comes in.
inline constexpr std::uint64_t longest_unposted = 1 << 20;

// From the guest into the hypervisor: the guest's time ends, work on its behalf and a new
// non-preemptible section begin.
inline void enter_hypervisor(Pcpu& self);
// Back to the guest: the section ends, and the guest's time begins. `payer` is what the vCPU works for.
inline void leave_for_guest(Pcpu& self, const Vcpu& vcpu, const landmark::LedgerEntry* payer);
// Names what the present section is doing, for R_max.
inline void name_section(Pcpu& self, landmark::SectionKind kind, std::uint32_t number) {
    self.section_kind = static_cast<std::uint32_t>(kind);
    self.section_number = number;
}

// The hypervisor works for `domain` from now on; with nullptr, for no domain. Returns the time posted to the
// previous account.
Nanos bill_to(Domain* domain);
// The same, but what was not posted yet of this section is `domain`'s as well.
void bill_section_to(Domain& domain);
void bill_to(Pcpu& self, Domain& domain, RealTime now); // bill_to for an instant that was just read
// The same for the domain that a vCPU that is about to run works for.
void bill_run(Pcpu& self, const Vcpu& vcpu, RealTime now);
// The same after a rest: who runs then pays for the way out of it, too, unless the owner of a timer does.
void bill_wake(Pcpu& self, const Vcpu& vcpu, RealTime now);
// Another pCPU is to be asked to dispatch: if it finds nobody to run, the domain whose account is in force
// here pays for its way out of a rest.
void note_request(Pcpu& of);
// This pCPU rested, was asked, and found nobody.
void bill_vain_request(Pcpu& self);
// Nothing to run: the section ends, idle time begins; and the way back.
void begin_idle();
void end_idle();

// How long the present section has lasted.
[[nodiscard]] Nanos section_length();

// Brings this pCPU's columns up to the present. Returns the time posted.
Nanos post_ledger();
// The same for all pCPUs, to one instant, when all others have stopped for good.
void close_ledgers();

inline void enter_hypervisor(Pcpu& self) {
    const auto tick = machine::tsc();
    self.guest_ticks += tick - self.resumed;
    self.section_start = tick;
    self.waited = 0;
    if (self.guest_ticks > longest_unposted) [[unlikely]]
        post_ledger();
}

// The rare part of leave_for_guest: other accounts, or the longest section so far.
void change_accounts(Pcpu& self, const Vcpu& vcpu, std::uint64_t tick);

inline void leave_for_guest(Pcpu& self, const Vcpu& vcpu, const landmark::LedgerEntry* payer) {
    const auto tick = machine::tsc();
    self.resumed = tick;
    if (self.open_entry != payer || tick - self.section_start > self.longest_ticks) [[unlikely]]
        change_accounts(self, vcpu, tick);
}

} // namespace bulkhead::hv
