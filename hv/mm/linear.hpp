// Linear page tables: an entry of an L2 to L4 that names a table of the same level, usually the table itself.
// The processor then reads tables as data, so that a kernel finds its own entries in a window of addresses.
// docs/decisions/0021-linear-tables.md says why the rules below are enough.
//
//  - A linear entry is never writable.
//  - An entry that names its own table holds nothing. One that names another table holds a use of it.
//  - That other table is validated before. It has no entry for a third table of its level, and the table with
//    the entry is named by no other: Frame::linear_links counts both, with opposite signs.
//  - Slots of the hypervisor in an L4 that is read as a lower table are nobody's: a walk ends there, and
//    copies from the guest refuse such addresses.
#pragma once

#include "hv/base/error.hpp"
#include "hv/mm/domain_memory.hpp"
#include "hv/mm/entry.hpp"

namespace bulkhead::hv {

// Whether a guest gets a linear entry from now on. They may, until the machine says otherwise at boot.
void set_linear_tables(bool allowed);

// Takes what a present, sanitised entry `index` of an L2 to L4 is to hold: its child, validating it if need
// be, or a link to a table of its own level. Fails with `invalid`, or `restart` within the child's
// validation. The lock of the owner's page tables is held, for unlink() too.
[[nodiscard]] Result<> take_table_entry(Frame& table, unsigned index, std::uint64_t e);

// Undoes the counts of a link. True if `e` held a typed use, which the caller drops next.
[[nodiscard]] bool unlink(Frame& table, std::uint64_t e);

// Whether `child`, which a held entry of `table` names, is of the table's own level.
[[nodiscard]] inline bool is_linear(const Frame& table, const Frame& child) {
    return child.type() == table.type();
}

// A table that lost its last use to a linear entry, and still is to be released by the table that had it.
[[nodiscard]] inline bool is_left_by_link(const Frame& frame) {
    return frame.partial() && frame.linear_links < 0;
}

// Whether a walk from a root of the domain to one of so many bytes could lead through a slot of the
// hypervisor's. The range does not wrap. Needs no lock: a slot is noted, and all pCPUs of the domain have
// seen it, before an entry is there.
[[nodiscard]] bool may_reach_hypervisor(const LinearSlots& slots, GuestAddress at, std::size_t bytes);

} // namespace bulkhead::hv
