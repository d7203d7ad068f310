// Virtual addresses go through the paging interface. An entry's machine address is the guest's word only: the
// frame there must be one of its own validated L1 tables, and stays one while it is changed.

#include "hv/grant/leaf.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/tlb.hpp"
#include "hv/mm/types.hpp"
#include "hv/mm/update.hpp"

namespace bulkhead::hv {

namespace {

// The entry at a machine address, nullptr if the guest may have none there.
[[nodiscard]] std::uint64_t* find_slot(const Domain& domain, std::uint64_t address) {
    const Mfn table{address >> page_shift};
    const Frame* frame = frame_table().find(table);
    if (frame == nullptr || address % sizeof(std::uint64_t) != 0)
        return nullptr;
    const auto now = frame->now();
    const bool has_leaves = now.type() == FrameType::l1 || now.type() == FrameType::pae_l1;
    if (!has_leaves || !now.validated() || !frame->belongs_to(Owner{domain.id}))
        return nullptr;
    return machine::frame_as<std::uint64_t>(table) + address % page_bytes / sizeof(std::uint64_t);
}

[[nodiscard]] Result<> write_slot(std::uint64_t* slot, std::uint64_t to, const Domain& domain) {
    const std::uint64_t from = __atomic_load_n(slot, __ATOMIC_RELAXED);
    BULKHEAD_TRY(exchange_entry(slot, from, to, AccessBits::replace));
    if (entry::is_present(from)) {
        drop_leaf(from);
        tlb::flush_mask(machine::pcpus_using(domain.id)); // at which addresses is the table in use?
    }
    return {};
}

} // namespace

Result<std::uint64_t> read_place(const LeafPlace& place) {
    if (!place.is_entry)
        return read_leaf(place.vcpu.tables.kernel_root, GuestAddress{place.address});
    std::uint64_t* slot = find_slot(*place.vcpu.domain, place.address);
    if (slot == nullptr)
        return fail(Error::invalid);
    const std::uint64_t found = __atomic_load_n(slot, __ATOMIC_RELAXED);
    return entry::is_present(found) ? found : 0;
}

Result<> write_place(const LeafPlace& place, std::uint64_t to) {
    if (!place.is_entry) {
        BULKHEAD_TRY(replace_leaf(place.vcpu.tables.kernel_root, GuestAddress{place.address}, to));
        return {};
    }
    std::uint64_t* slot = find_slot(*place.vcpu.domain, place.address);
    return slot == nullptr ? fail(Error::invalid) : write_slot(slot, to, *place.vcpu.domain);
}

} // namespace bulkhead::hv
