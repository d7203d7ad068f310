// The billing ledger: each nanosecond of a pCPU goes to exactly one account. Every change of account posts
// the time since the last change, so the columns add up by construction; abi/landmark.hpp shows them to the
// outside.
#pragma once

#include "abi/landmark.hpp"
#include "abi/types.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Domain;
struct Pcpu;
struct Vcpu;

// One more in a domain's column; its vCPUs may be counted on several pCPUs at once.
inline void count(std::uint64_t& column) { __atomic_fetch_add(&column, 1, __ATOMIC_RELAXED); }

// Opens this pCPU's ledger as of `now`: time is unbilled until an account is named.
void start_ledger(RealTime now);

// From the guest into the hypervisor: the guest's time ends, work on its behalf and a new
// non-preemptible section begin.
void enter_hypervisor(Vcpu& vcpu);
// Back to the guest: the section ends.
void leave_for_guest(Pcpu& self, Vcpu& vcpu);
// Names what the present section is doing, for R_max.
void name_section(landmark::SectionKind kind, std::uint32_t number);
void name_section(Pcpu& self, landmark::SectionKind kind, std::uint32_t number);

// The hypervisor works for `domain` from now on; with nullptr, for no domain. Returns the time posted to the
// previous account.
Nanos bill_to(Domain* domain);
// The same, but what was not posted yet is `domain`'s as well.
void bill_all_to(Domain& domain);
void bill_to(Pcpu& self, Domain& domain, RealTime now); // the same for an instant that was just read
// Nothing to run: the section ends, idle time begins; and the way back.
void begin_idle();
void end_idle();

// How long the present section has lasted.
[[nodiscard]] Nanos section_length();

// Brings this pCPU's columns up to the present. Returns the time posted.
Nanos post_ledger();
// The same for all pCPUs, to one instant, when all others have stopped for good.
void close_ledgers();

} // namespace bulkhead::hv
