#include "hv/mm/walk.hpp"

#include "hv/base/machine.hpp"

namespace bulkhead::hv {

namespace {

// A walk that did not end in an L1 may have gone through a linear entry to an L4 at a lower level, and on
// through a slot of the hypervisor's: it ends there. One that ended in an L1 did not, since the hypervisor's
// tables name none.
[[gnu::noinline, gnu::cold]] void leave_hypervisor_off(Walk& found, GuestAddress at) {
    for (unsigned level = 3; level >= 1 && entry::is_present(found.entries[3 - level]); --level) {
        const auto* table = frame_table().find(entry::frame(found.entries[3 - level]));
        if (table == nullptr || !entry::is_hypervisor_slot(table->type(), table_index(level, at)))
            continue;
        for (; level >= 1; --level)
            found.entries[4 - level] = 0;
        return;
    }
}

// The L1 of a 32-bit guest, whose type look_up() does not know.
[[gnu::noinline, gnu::cold]] bool is_in_pae_l1(Walk& found, GuestAddress at) {
    if (!entry::is_present(found.entries[2]))
        return false;
    const auto table = entry::frame(found.entries[2]);
    const auto* frame = frame_table().find(table);
    if (frame == nullptr || frame->type() != FrameType::pae_l1)
        return false;
    found.l1 = table;
    found.l1_index = table_index(1, at);
    return true;
}

// The table's entry for `at`, as the table of a level. False if the table is not RAM, which frame 0 never is.
bool read_entry(Walk& result, Mfn table, unsigned level, GuestAddress at) {
    if (frame_table().find(table) == nullptr) [[unlikely]]
        return false;
    result.entries[4 - level] = machine::frame_as<const std::uint64_t>(table)[table_index(level, at)];
    return true;
}

// Down to the L1. False if none was found.
bool look_up(Walk& result, Mfn root, GuestAddress at) {
    auto table = root;
    for (unsigned level = 4; level > 1; --level) {
        if (!read_entry(result, table, level, at) || !entry::is_present(result.entries[4 - level]))
            [[unlikely]]
            return false;
        table = entry::frame(result.entries[4 - level]);
    }
    if (!read_entry(result, table, 1, at) || frame_table().at(table).type() != FrameType::l1) [[unlikely]]
        return false;
    result.l1 = table;
    result.l1_index = table_index(1, at);
    return true;
}

} // namespace

Walk walk(Mfn root, GuestAddress at) {
    Walk result;
    if (is_guest_address(at) && !look_up(result, root, at) && !is_in_pae_l1(result, at)) [[unlikely]]
        leave_hypervisor_off(result, at);
    return result;
}

} // namespace bulkhead::hv
