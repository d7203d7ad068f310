// Domain 0's work for other domains: what it runs meanwhile is billed to the domain that it works for, in the
// ledger and with the scheduler. Only the control plane uses this; it names each domain itself.
#pragma once

#include "hv/domain/vcpu.hpp"

namespace bulkhead::hv {

// From now on the running vCPU works for `payer`: its own domain, or another. The run lock is held.
void work_for(Vcpu& vcpu, Domain& payer);
// The vCPU stops, or works for another from `now` on: what it ran for `payer` since the last time is taken
// off its own account and charged there. The run lock is held.
void settle_service(Vcpu& vcpu, RealTime now);

} // namespace bulkhead::hv
