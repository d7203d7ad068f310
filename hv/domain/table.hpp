// Changes to the table of domains; for life.cpp only.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

[[nodiscard]] Result<DomainId> lowest_free_id();
void enter_domain(Domain& domain); // under domain.id
void remove_domain(Domain& domain);

} // namespace bulkhead::hv
