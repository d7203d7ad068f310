// Every holder of a reference to a frame, enumerated from the things themselves: what audit() compares the
// counts with.
#pragma once

#include "hv/mm/types.hpp"
#include "hv/mm/walk.hpp"

namespace bulkhead::hv {

// A reference: to what, and as what. `none` is a plain one.
struct Holding {
    Mfn frame;
    FrameType type;
};

// How many entries of a frame hold references now.
[[nodiscard]] inline unsigned held_entries(const Frame& frame) {
    if (!entry::is_table(frame.type))
        return 0;
    return frame.validated ? entry::per_table : frame.partial ? frame.progress : 0;
}

// What entry `e` of a table of type `table` holds. Only for present entries outside the hypervisor's slots.
[[nodiscard]] inline Holding holding_of(FrameType table, std::uint64_t e) {
    const auto leaf = entry::is_writable(e) ? FrameType::writable : FrameType::none;
    return {entry::frame(e), table == FrameType::l1 ? leaf : entry::below(table)};
}

// References from outside the frame table: what vCPUs and rings of `domain` hold.
template<class Visit>
void visit_external_references(const Domain& domain, Visit visit) {
    const auto each = [&](Mfn frame, FrameType type) {
        if (frame != Mfn{})
            visit(Holding{frame, type});
    };
    each(domain.console.ring_frame, FrameType::writable);
    for (const auto* vcpu : domain.vcpus) {
        if (vcpu == nullptr)
            continue;
        each(vcpu->kernel_root, FrameType::l4);
        each(vcpu->user_root, FrameType::l4);
        each(vcpu->info_frame, FrameType::writable);
        for (const auto frame : vcpu->gdt_frames)
            each(frame, FrameType::descriptors);
        for (const auto frame : vcpu->ldt_frames)
            each(frame, FrameType::descriptors);
        for (const auto frame : vcpu->taken_frames)
            each(frame, FrameType::descriptors);
    }
}

// References that the frame's own state stands for.
template<class Visit>
void visit_own_references(const Frame& frame, Visit visit) {
    const auto self = frame_table().number(frame);
    if (frame.held)
        visit(Holding{self, FrameType::none});
    if (frame.partial)
        visit(Holding{self, FrameType::none});
    if (frame.pinned)
        visit(Holding{self, frame.type});
}

// Those of its entries `first` to `last - 1`, at most held_entries().
template<class Visit>
void visit_entry_references(const Frame& frame, unsigned first, unsigned last, Visit visit) {
    const auto* entries = machine::frame_as<const std::uint64_t>(frame_table().number(frame));
    for (unsigned i = first; i < last; ++i)
        if (entry::is_present(entries[i]) && !entry::is_hypervisor_slot(frame.type, i))
            visit(holding_of(frame.type, entries[i]));
}

// All of them.
template<class Visit>
void visit_holdings(Visit visit) {
    for (std::uint64_t i = 0; i < frame_table().size(); ++i)
        if (const auto* frame = frame_table().find(Mfn{i}); frame != nullptr && frame->owner != nobody) {
            visit_own_references(*frame, visit);
            visit_entry_references(*frame, 0, held_entries(*frame), visit);
        }
    for_each_domain([&](const Domain& domain) { visit_external_references(domain, visit); });
}

} // namespace bulkhead::hv
