// Changes to the table of domains; for life.cpp only.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

[[nodiscard]] Result<DomainId> lowest_free_id();
void enter_domain(Domain& domain); // under domain.id
// False while somebody holds it.
[[nodiscard]] bool remove_domain(Domain& domain);
// Holds begin, and domains leave the table, with this lock held.
[[nodiscard]] Lock<Rank::domains>& domain_table_lock();

} // namespace bulkhead::hv
