// One change of one entry of a validated page table: references of the new entry are taken first, then the
// entry is written so that processors see the old or the new one, then the old entry's references are
// dropped.
#pragma once

#include "hv/mm/types.hpp"

namespace bulkhead::hv {

enum class AccessBits : std::uint8_t { replace, preserve };

// An L1's entry. New frames must belong to `frames_of`. Never restarts halfway. The locks of the page tables
// are held: the table's owner's and that of `frames_of`.
[[nodiscard]] Result<> update_leaf(std::uint64_t* slot, std::uint64_t wanted, const Domain& frames_of,
                                   AccessBits bits);
// An entry of an L2 to L4. New tables must belong to the table's owner. An old subtree may become a debt of
// the owner.
[[nodiscard]] Result<> update_table(Frame& table, unsigned index, std::uint64_t wanted, AccessBits bits,
                                    Domain& owner);
// Writes `to` where `from`, apart from accessed and dirty bits, stands now. With `preserve` those bits stay.
[[nodiscard]] Result<> exchange_entry(std::uint64_t* slot, std::uint64_t from, std::uint64_t to,
                                      AccessBits bits);

// Any entry of any frame of `owner`, as mmu_update has it: by the type that the frame has now. In a frame
// that is not a table, the value is data.
[[nodiscard]] Result<> update_frame(Frame& frame, unsigned index, std::uint64_t wanted, Domain& owner,
                                    const Domain& frames_of, AccessBits bits);

} // namespace bulkhead::hv
