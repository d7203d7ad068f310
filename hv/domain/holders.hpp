// Holders of references to frames outside the frame table: vCPUs and rings. With mm/holders.hpp they are all,
// and what audit() compares the counts with.
#pragma once

#include "hv/domain/domain.hpp"
#include "hv/mm/holders.hpp"

namespace bulkhead::hv {

// The page of the domain's console ring, Mfn{} while none is connected. hv/io answers.
[[nodiscard]] Mfn console_ring_frame(const Domain& domain);

// The page of the domain's block ring number `index`, Mfn{} behind the last one. Likewise.
[[nodiscard]] Mfn block_ring_frame(const Domain& domain, std::uint32_t index);

// The pages of the domain's network rings, two of each interface. Likewise.
[[nodiscard]] Mfn net_ring_frame(const Domain& domain, std::uint32_t index);

// What vCPUs and rings of `domain` hold.
template<class Visit>
void visit_external_references(const Domain& domain, Visit visit) {
    const auto each = [&](Mfn frame, FrameType type) {
        if (frame != Mfn{})
            visit(Holding{frame, type});
    };
    each(console_ring_frame(domain), FrameType::writable);
    for (std::uint32_t i = 0; block_ring_frame(domain, i) != Mfn{}; ++i)
        each(block_ring_frame(domain, i), FrameType::writable);
    for (std::uint32_t i = 0; net_ring_frame(domain, i) != Mfn{}; ++i)
        each(net_ring_frame(domain, i), FrameType::writable);
    for (const auto* vcpu : domain.vcpus) {
        if (vcpu == nullptr)
            continue;
        const auto& tables = vcpu->tables;
        // Those of a 32-bit guest are one frame of the hypervisor's own.
        each(domain.pae ? Mfn{} : tables.kernel_root, FrameType::l4);
        each(tables.pae_root, FrameType::pae_l3);
        each(domain.pae ? Mfn{} : tables.user_root, FrameType::l4);
        each(vcpu->info_frame, FrameType::writable);
        const auto descriptors = domain.pae ? FrameType::pae_descriptors : FrameType::descriptors;
        for (const auto frame : tables.gdt_frames)
            each(frame, descriptors);
        for (const auto frame : tables.ldt_frames)
            each(frame, descriptors);
        for (const auto frame : tables.taken_frames)
            each(frame, descriptors);
    }
}

// Every reference in the machine.
template<class Visit>
void visit_holdings(Visit visit) {
    for (std::uint64_t i = 0; i < frame_table().size(); ++i)
        if (const auto* frame = frame_table().find(Mfn{i});
            frame != nullptr && !frame->owner.load().is_nobody()) {
            visit_own_references(*frame, visit);
            visit_entry_references(*frame, 0, held_entries(*frame), visit);
        }
    for_each_domain([&](const Domain& domain) { visit_external_references(domain, visit); });
}

} // namespace bulkhead::hv
