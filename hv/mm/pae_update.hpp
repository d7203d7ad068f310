// One change of one entry of a 32-bit guest's page table, as hv/mm/update.hpp does it for 64-bit guests.
#pragma once

#include "hv/mm/pae.hpp"
#include "hv/mm/update.hpp"

namespace bulkhead::hv {

// `frame` is such a table, and validated.
[[nodiscard]] Result<> update_pae_frame(Frame& frame, unsigned index, std::uint64_t wanted, Domain& owner,
                                        const Domain& frames_of, AccessBits bits);

} // namespace bulkhead::hv
