// TLB flushes that a guest asks for.
#pragma once

#include "hv/domain/domain.hpp"
#include "hv/mm/tlb.hpp"

namespace bulkhead::hv {

// The processors on which any vCPU of the domain, or those of a guest's mask, may have translations. The mask
// is an array in the guest, of words of its width, with more bits in each than the domain has vCPUs; a null
// pointer means the calling vCPU alone.
template<class Word>
[[nodiscard]] Result<tlb::Mask> processors_of(Domain& domain, std::uint64_t vcpu_mask);

// The flush that update_va_mapping's flags name.
template<class Word>
[[nodiscard]] Result<> flush_for_guest(Domain& domain, std::uint64_t flags, GuestAddress at);

} // namespace bulkhead::hv
