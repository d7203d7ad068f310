// Direct paging: types of frames are taken and dropped here, and with them every entry of every guest page
// table is validated. Long work is preemptible and answers Error::restart; making the same call again
// continues it. Everything here needs the lock of the owner's page tables (DomainMemory::tables), unless it
// says otherwise.
#pragma once

#include "hv/mm/frame.hpp"

#include <optional>

namespace bulkhead::hv {

struct Vcpu;

// Takes a typed reference (and a reference) on `mfn`, owned by `owner`, validating its contents if the type
// is new. Fails with `invalid` for a frame that isn't the owner's, has another type or has bad contents.
[[nodiscard]] Result<> get_typed(Mfn mfn, FrameType type, const Domain& owner);

// Drops what get_typed took; the caller holds nothing afterwards. If the last reference of a table goes and
// releasing its entries takes too long, the rest becomes a debt of `owner`, the frame's, which must be
// settled before the guest's call is over.
void drop_typed(Mfn mfn, Domain& owner);
// Works on the debt of `owner`. Answers restart until it is paid. Every paging hypercall starts and ends with
// it.
[[nodiscard]] Result<> settle(Domain& owner);
// The same for callers without the lock.
[[nodiscard]] Result<> settle_alone(Domain& owner);

// A writable (or read-only) data reference for mappings made on behalf of grants and rings. No lock of page
// tables may be held: taking a writable one takes the owner's if the frame was a table before, and may answer
// restart (that former life is being undone). put_data never fails, is short, and needs no lock.
[[nodiscard]] Result<> get_data(Mfn mfn, Domain& owner, bool writable);
[[nodiscard]] Result<> get_data(Frame& frame, Domain& owner, bool writable); // a frame that was found already
void put_data(Mfn mfn, bool writable);

// Pin: keeps a page table validated although nothing refers to it.
[[nodiscard]] Result<> pin(Mfn mfn, FrameType type, const Domain& owner);
[[nodiscard]] Result<> unpin(Mfn mfn, Domain& owner);

// The L1 entry that maps `at` under `root`; 0 if it is not present. Fails with `invalid` where no L1 covers
// `at`.
[[nodiscard]] Result<std::uint64_t> read_leaf(Mfn root, GuestAddress at);
// Installs a leaf mapping of any frame into the L1 entry that maps `at` under `root`, for grant mapping. The
// data reference that the caller holds for `entry` (none if it is not present) passes to the entry on
// success. The reference that the old entry owned is dropped here; the old entry is returned for information.
// Flushes what was mapped before.
[[nodiscard]] Result<std::uint64_t> replace_leaf(Mfn root, GuestAddress at, std::uint64_t entry);

// Changes a vCPU's address-space roots, taking and dropping typed references (L4). Mfn{} gives up the root.
// When the vCPU runs on this pCPU and the root is the one in force, it is loaded. May answer restart before
// anything has changed; the old root's release may leave a debt to the vCPU's domain.
[[nodiscard]] Result<> set_kernel_root(Vcpu& vcpu, Mfn root, bool in_force);
[[nodiscard]] Result<> set_user_root(Vcpu& vcpu, Mfn root, bool in_force);

// The same for the vCPU of a 32-bit guest, which has one root for its kernel and its applications: an L3. May
// also fail with no_memory, for want of a page of metadata at the first time.
[[nodiscard]] Result<> set_pae_root(Vcpu& vcpu, Mfn root, bool in_force);

// Makes `count` frames the vCPU's descriptor tables, or none with count 0. All or nothing. May answer
// restart.
[[nodiscard]] Result<> set_gdt(Vcpu& vcpu, const Mfn* frames, std::uint32_t entries);
[[nodiscard]] Result<> set_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries);
// Of a 32-bit guest.
[[nodiscard]] Result<> set_pae_gdt(Vcpu& vcpu, const Mfn* frames, std::uint32_t entries);
[[nodiscard]] Result<> set_pae_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries);

// A fault handler's question: the guest's kernel wrote `bytes` (1, 2, 4 or 8) of `value` to `at`, where a
// page table of its own is mapped read-only. True: the write was done as a validated update and the
// instruction may be skipped. False: not such an address, the fault is the guest's. An error: the new entry
// is not allowed; restart: run the instruction again. `before`, if given, is what the instruction found
// there: restart, too, if another processor changed it meanwhile. Takes the lock itself.
[[nodiscard]] Result<bool> emulate_pte_write(Vcpu& vcpu, GuestAddress at, std::uint64_t value, unsigned bytes,
                                             std::optional<std::uint64_t> before = std::nullopt);

// Everything a dead domain still holds: roots and descriptor tables of its vCPUs, registered vcpu_info pages,
// pins, frames. No pCPU may run on its page tables any more, and its grants and rings are closed. Answers
// restart until done, or busy when only frames remain that other domains still map: call again when they have
// let go. Takes the lock itself, for a step at a time.
[[nodiscard]] Result<> relinquish_memory(Domain& domain);

// Checks every invariant of the frame table against the page tables of all domains (see audit.cpp for the
// list). Returns the number of violations and prints the first few. No other pCPU may run meanwhile.
[[nodiscard]] std::uint64_t audit();
// The same for a machine that goes on meanwhile, except that guests stand still: answers restart until done.
// One at a time.
[[nodiscard]] Result<std::uint64_t> audit_in_steps();

} // namespace bulkhead::hv
