// References that frames and page tables hold, enumerated from the things themselves. domain/holders.hpp adds
// those of vCPUs and rings.
#pragma once

#include "hv/base/machine.hpp"
#include "hv/mm/linear.hpp"
#include "hv/mm/pae.hpp"
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

// Entries that are the hypervisor's, or nobody's.
[[nodiscard]] inline bool is_closed_entry(FrameType table, unsigned index) {
    return entry::is_hypervisor_slot(table, index) || pae::is_closed_slot(table, index);
}

[[nodiscard]] inline bool is_leaf_table(FrameType table) {
    return table == FrameType::l1 || table == FrameType::pae_l1;
}

// What entry number `index`, `e`, of an L2 to L4 is relied on to be. A linear entry relies on a table of its
// own level; one that names its own table holds nothing, which this does not say.
[[nodiscard]] inline Holding child_of(const Frame& table, unsigned index, std::uint64_t e) {
    if (pae::is_table(table.type()))
        return {entry::frame(e), pae::child_type(table.type(), index)};
    const auto* child = frame_table().find(entry::frame(e));
    const bool linear = child != nullptr && is_linear(table, *child);
    return {entry::frame(e), linear ? table.type() : entry::below(table.type())};
}

// Calls `visit(index, entry)` for those of the entries `first` to `last - 1`, at most held_entries(), that
// name something.
template<class Visit>
void visit_entries(const Frame& frame, unsigned first, unsigned last, Visit visit) {
    const auto* entries = machine::frame_as<const std::uint64_t>(frame_table().number(frame));
    for (unsigned i = first; i < last; ++i)
        if (entry::is_present(entries[i]) && !is_closed_entry(frame.type(), i))
            visit(i, entries[i]);
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

// Those of such entries.
template<class Visit>
void visit_entry_references(const Frame& frame, unsigned first, unsigned last, Visit visit) {
    const auto self = frame_table().number(frame);
    visit_entries(frame, first, last, [&](unsigned index, std::uint64_t e) {
        if (is_leaf_table(frame.type()))
            visit(Holding{entry::frame(e), entry::is_writable(e) ? FrameType::writable : FrameType::none});
        else if (entry::frame(e) != self)
            visit(child_of(frame, index, e));
    });
}

// The other tables that linear ones of such entries name.
template<class Visit>
void visit_links(const Frame& frame, unsigned first, unsigned last, Visit visit) {
    if (frame.type() == FrameType::l1 || pae::is_table(frame.type())) // those have none
        return;
    visit_entries(frame, first, last, [&](unsigned, std::uint64_t e) {
        auto* child = frame_table().find(entry::frame(e));
        if (child != nullptr && child != &frame && is_linear(frame, *child))
            visit(*child);
    });
}

// What a frame's count of links stands for: not the mark of a table that a linear entry left.
[[nodiscard]] inline std::int16_t links_of(const Frame& frame) {
    return is_left_by_link(frame) ? std::int16_t{0} : frame.linear_links;
}

} // namespace bulkhead::hv
