// Who is in the table of domains; for domain_life.cpp only.
#pragma once

#include "hv/core/domain.hpp"

namespace bulkhead::hv {

[[nodiscard]] Result<DomainId> enter_domain(Domain& domain); // the lowest free id
void remove_domain(Domain& domain);

} // namespace bulkhead::hv
