// Leaf entries found by address: for grant mappings, and for guests that write to their page tables as if
// they were data.
#include "hv/domain/domain.hpp"
#include "hv/mm/pae.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/tlb.hpp"
#include "hv/mm/update.hpp"
#include "hv/mm/walk.hpp"

namespace bulkhead::hv {

Result<std::uint64_t> read_leaf(Mfn root, GuestAddress at) {
    const auto found = walk(root, at);
    if (found.l1 == Mfn{})
        return fail(Error::invalid);
    return found.ok() ? found.leaf() : 0;
}

Result<std::uint64_t> replace_leaf(Mfn root, GuestAddress at, std::uint64_t entry) {
    const auto found = walk(root, at);
    if (found.l1 == Mfn{})
        return fail(Error::invalid);
    auto* slot = machine::frame_as<std::uint64_t>(found.l1) + found.l1_index;
    const auto& table = frame_table().at(found.l1);
    const auto to = table.type() == FrameType::l1 ? entry::sanitised(FrameType::l1, entry)
                                                  : pae::sanitised(FrameType::pae_l1, entry);
    BULKHEAD_TRY(exchange_entry(slot, found.entries[3], to, AccessBits::replace));
    if (entry::is_present(found.entries[3])) {
        drop_leaf(found.entries[3]);
        // The same L1 may be reachable at several addresses, so one page is not enough.
        tlb::flush_mask(machine::pcpus_using(table.owner.load().domain()));
    }
    return found.entries[3];
}

Result<bool> emulate_pte_write(Vcpu& vcpu, GuestAddress at, std::uint64_t value, unsigned bytes,
                               std::optional<std::uint64_t> before) {
    auto& domain = *vcpu.domain;
    const auto offset = at.value() % sizeof(std::uint64_t);
    if (!vcpu.processor.in_kernel || bytes > 8 || offset + bytes > 8)
        return false;
    const LockGuard tables{domain.memory.tables};
    const auto found = walk(vcpu.tables.kernel_root, at);
    if (!found.ok() || entry::is_writable(found.leaf()))
        return false;
    const auto mfn = entry::frame(found.leaf());
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || !frame->belongs_to(Owner{domain.id}) || !frame->validated() ||
        !entry::is_table(frame->type()))
        return false;
    BULKHEAD_TRY(settle(domain));
    const auto index = static_cast<unsigned>(at.value() % page_bytes / sizeof(std::uint64_t));
    const auto mask = bytes == 8 ? ~std::uint64_t{0} : ((std::uint64_t{1} << bytes * 8) - 1) << offset * 8;
    const auto now = machine::frame_as<const std::uint64_t>(mfn)[index];
    if (before && ((now ^ *before << offset * 8) & mask) != 0)
        return fail(Error::restart);
    const auto wanted = (now & ~mask) | (value << offset * 8 & mask);
    BULKHEAD_TRY(update_frame(*frame, index, wanted, domain, domain, AccessBits::replace));
    return true;
}

} // namespace bulkhead::hv
