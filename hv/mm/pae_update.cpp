#include "hv/mm/pae_update.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"

namespace bulkhead::hv {

namespace {

// References for what the entry names, and back.
Result<> take(FrameType table, unsigned index, std::uint64_t e, const Domain& owner,
              const Domain& frames_of) {
    return table == FrameType::pae_l1 ? take_leaf(e, Owner{frames_of.id})
                                      : get_typed(entry::frame(e), pae::child_type(table, index), owner);
}

void drop(FrameType table, std::uint64_t e, Domain& owner) {
    if (table == FrameType::pae_l1)
        drop_leaf(e);
    else
        drop_typed(entry::frame(e), owner);
}

Result<> update(const Frame& table, unsigned index, std::uint64_t wanted, Domain& owner,
                const Domain& frames_of, AccessBits bits) {
    const auto type = table.type();
    if (pae::is_closed_slot(type, index) || !pae::is_allowed(type, wanted))
        return fail(Error::invalid);
    auto* slot = machine::frame_as<std::uint64_t>(frame_table().number(table)) + index;
    const auto from = __atomic_load_n(slot, __ATOMIC_RELAXED);
    const auto to = pae::sanitised(type, wanted);
    if (entry::same_reference(from, to))
        return exchange_entry(slot, from, to, bits);
    if (entry::is_present(to))
        BULKHEAD_TRY(take(type, index, to, owner, frames_of));
    const auto written = exchange_entry(slot, from, to, bits);
    if (const auto unused = written ? from : to; entry::is_present(unused))
        drop(type, unused, owner);
    return written;
}

} // namespace

[[gnu::noinline, gnu::cold]] Result<> update_pae_frame(Frame& frame, unsigned index, std::uint64_t wanted,
                                                       Domain& owner, const Domain& frames_of,
                                                       AccessBits bits) {
    // It stays a table meanwhile.
    BULKHEAD_TRY(get_type(frame, frame.type(), Owner{owner.id}));
    const auto updated = update(frame, index, wanted, owner, frames_of, bits);
    drop_typed(frame_table().number(frame), owner);
    return updated;
}

} // namespace bulkhead::hv
