// The table of live domains. Ids cycle through all numbers that the ABI has, so that what still names a dead
// domain (a grant in a guest's memory, a port, a permission in the store) reaches nobody for as long as
// possible. Slots are dense and used again at once: they number what the hypervisor keeps of a live domain.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

struct Seat {
    DomainId id;
    std::uint32_t slot;
};

// For the next domain: domain 0 for the first one, then 1 to last_domain_id in turn, without those in use.
[[nodiscard]] Result<Seat> free_seat();
// With its id and slot (sched.slot) set, as free_seat() gave them. The caller holds the run lock, because the
// scheduler goes through the table.
void enter_domain(Domain& domain);
// With the lock of the table held as well.
void remove_domain(const Domain& domain);

// Holds (DomainHold) begin, and domains leave the table, with this lock held.
[[nodiscard]] Lock<Rank::domains>& domain_table_lock();

} // namespace bulkhead::hv
