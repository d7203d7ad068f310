// Direct paging: types of frames are taken and dropped here, and with them every entry of every guest page table is
// validated. Long validations are preemptible and answer Error::restart; calling again continues.
#pragma once

#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

// Takes a typed reference (and a reference) on `mfn`, owned by `owner`, validating its contents if the type is new.
[[nodiscard]] Result<> get_typed(Mfn mfn, FrameType type, Domain& owner);
// Drops what get_typed took. Releasing the last reference of a page table drops the references of its entries; with
// `preemptible` that may answer restart (call again); otherwise it is finished at once.
[[nodiscard]] Result<> put_typed(Mfn mfn, bool preemptible);

// A writable (or read-only) data reference for mappings made on behalf of grants and rings.
[[nodiscard]] Result<> get_data(Mfn mfn, Domain& owner, bool writable);
void put_data(Mfn mfn, bool writable);

// Pin: keeps a page table validated although nothing refers to it.
[[nodiscard]] Result<> pin(Mfn mfn, FrameType type, Domain& owner);
[[nodiscard]] Result<> unpin(Mfn mfn, Domain& owner);

// Installs a leaf mapping of any frame into the L1 entry that maps `at` in `vcpu_root`'s address space; the caller holds the
// data reference that the entry will own. Used by grant mapping. Returns the old entry through update_leaf's result.
[[nodiscard]] Result<std::uint64_t> replace_leaf(Domain& domain, Mfn root, GuestAddress at, std::uint64_t entry);

// Everything a dead domain still holds: unpins, releases tables, frees frames. Answers restart until done.
[[nodiscard]] Result<> relinquish_memory(Domain& domain);

// Checks every invariant of the frame table against the page tables of all domains (see audit.cpp for the list).
// Returns the number of violations and prints the first few.
[[nodiscard]] std::uint64_t audit();

} // namespace bulkhead::hv
