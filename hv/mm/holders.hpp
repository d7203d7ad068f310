// References that frames and page tables hold, enumerated from the things themselves. domain/holders.hpp adds
// those of vCPUs and rings.
#pragma once

#include "hv/base/machine.hpp"
#include "hv/mm/walk.hpp"

namespace bulkhead::hv {

// A reference: to what, and as what. `none` is a plain one.
struct Holding {
    Mfn frame;
    FrameType type;
};

// How many entries of a frame hold references now.
[[nodiscard]] inline unsigned held_entries(const Frame& frame) {
    if (!entry::is_table(frame.type()))
        return 0;
    return frame.validated() ? entry::per_table : frame.partial() ? frame.progress : 0;
}

// What entry `e` of a table of type `table` holds. Only for present entries outside the hypervisor's slots.
[[nodiscard]] inline Holding holding_of(FrameType table, std::uint64_t e) {
    const auto leaf = entry::is_writable(e) ? FrameType::writable : FrameType::none;
    return {entry::frame(e), table == FrameType::l1 ? leaf : entry::below(table)};
}

// References that the frame's own state stands for.
template<class Visit>
void visit_own_references(const Frame& frame, Visit visit) {
    const auto self = frame_table().number(frame);
    if (frame.held)
        visit(Holding{self, FrameType::none});
    if (frame.partial())
        visit(Holding{self, FrameType::none});
    if (frame.pinned)
        visit(Holding{self, frame.type()});
}

// Those of its entries `first` to `last - 1`, at most held_entries().
template<class Visit>
void visit_entry_references(const Frame& frame, unsigned first, unsigned last, Visit visit) {
    const auto* entries = machine::frame_as<const std::uint64_t>(frame_table().number(frame));
    for (unsigned i = first; i < last; ++i)
        if (entry::is_present(entries[i]) && !entry::is_hypervisor_slot(frame.type(), i))
            visit(holding_of(frame.type(), entries[i]));
}

} // namespace bulkhead::hv
