// Changes for which vCPUs must be off every pCPU while they are made: of the scheduler, of an affinity. They
// wait for the other pCPUs, so the caller holds no lock.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

struct Candidate;

// Every vCPU but the caller's stops, and none starts; and the end of that.
void stop_others();
void let_others_go();

// Every vCPU stops, the caller's too; the candidate's policy takes over all of them with their weights and
// caps, and they go on. The old policy is told nothing but that they stopped. Should the new one misbehave at
// once, the fallback is in charge when this returns. If memory is short the former policy stays.
[[nodiscard]] Result<> swap_scheduler(const Candidate& candidate);

// Which pCPUs a vCPU, not the caller's, may use from now on: bit n for pCPU n. At least one bit must name a
// pCPU.
[[nodiscard]] Result<> set_affinity(Vcpu& vcpu, std::uint64_t affinity);
void set_preferred(Vcpu& vcpu, std::uint64_t pcpus);

} // namespace bulkhead::hv
