#include "hv/mm/update.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/linear.hpp"
#include "hv/mm/pae_update.hpp"
#include "hv/mm/paging.hpp"

namespace bulkhead::hv {

namespace {

std::uint64_t read_entry(std::uint64_t* slot) { return __atomic_load_n(slot, __ATOMIC_RELAXED); }

bool is_wide_table(FrameType type) { return type >= FrameType::l1 && type <= FrameType::l4; }

} // namespace

Result<> exchange_entry(std::uint64_t* slot, std::uint64_t from, std::uint64_t to, AccessBits bits) {
    constexpr auto processors = entry::accessed | entry::dirty;
    constexpr int most_changes = 3; // each of the two bits can be set once meanwhile
    for (int i = 0; i < most_changes; ++i) {
        const auto kept = bits == AccessBits::preserve ? from & processors : 0;
        if (machine::compare_exchange_entry(slot, from, to | kept)) [[likely]]
            return {};
        const auto now = read_entry(slot);
        if (((now ^ from) & ~processors) != 0)
            break;
        from = now;
    }
    return fail(Error::busy);
}

Result<> update_leaf(std::uint64_t* slot, std::uint64_t wanted, const Domain& frames_of, AccessBits bits) {
    const auto from = read_entry(slot);
    const auto to = entry::sanitised(FrameType::l1, wanted);
    if (entry::same_reference(from, to))
        return exchange_entry(slot, from, to, bits);
    if (entry::is_present(to))
        BULKHEAD_TRY(take_leaf(to, Owner{frames_of.id}));
    if (const auto written = exchange_entry(slot, from, to, bits); !written) [[unlikely]] {
        if (entry::is_present(to))
            drop_leaf(to);
        return written;
    }
    if (entry::is_present(from))
        drop_leaf(from);
    return {};
}

Result<> update_table(Frame& table, unsigned index, std::uint64_t wanted, AccessBits bits, Domain& owner) {
    const auto type = table.type();
    if (entry::is_hypervisor_slot(type, index) || !entry::is_allowed(type, wanted))
        return fail(Error::invalid);
    auto* slot = machine::frame_as<std::uint64_t>(frame_table().number(table)) + index;
    const auto from = read_entry(slot);
    const auto to = entry::sanitised(type, wanted);
    if (entry::same_reference(from, to))
        return exchange_entry(slot, from, to, bits);
    if (entry::is_present(to))
        BULKHEAD_TRY(take_table_entry(table, index, to));
    if (const auto written = exchange_entry(slot, from, to, bits); !written) [[unlikely]] {
        if (entry::is_present(to) && unlink(table, to))
            drop_typed(entry::frame(to), owner);
        return written;
    }
    if (entry::is_present(from) && unlink(table, from))
        drop_typed(entry::frame(from), owner);
    return {};
}

Result<> update_frame(Frame& frame, unsigned index, std::uint64_t wanted, Domain& owner,
                      const Domain& frames_of, AccessBits bits) {
    const auto now = frame.now();
    if (!now.validated() || !is_wide_table(now.type())) {
        if (now.validated() && pae::is_table(now.type()))
            return update_pae_frame(frame, index, wanted, owner, frames_of, bits);
        BULKHEAD_TRY(get_type(frame, FrameType::writable, Owner{owner.id}));
        machine::frame_as<std::uint64_t>(frame_table().number(frame))[index] = wanted;
        put_plain_type(frame);
        return {};
    }
    // The table must stay one while it is changed: taking the new reference may undo an orphan that is its
    // only holder.
    BULKHEAD_TRY(get_type(frame, now.type(), Owner{owner.id}));
    const auto mfn = frame_table().number(frame);
    const auto updated =
        now.type() == FrameType::l1
            ? update_leaf(machine::frame_as<std::uint64_t>(mfn) + index, wanted, frames_of, bits)
            : update_table(frame, index, wanted, bits, owner);
    if (frame.type_references() > 1) [[likely]]
        put_plain_type(frame);
    else
        drop_typed(mfn, owner);
    return updated;
}

} // namespace bulkhead::hv
