// What a vCPU holds of the typed frames: the roots of its address spaces and the pages of its descriptor
// tables.
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"
#include "hv/mm/walk.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t descriptors_per_page = page_bytes / 8;
constexpr std::uint32_t max_gdt_entries = FIRST_RESERVED_GDT_ENTRY;
constexpr std::uint32_t max_ldt_entries = 8192;

std::uint32_t pages_of(std::uint32_t entries) {
    return (entries + descriptors_per_page - 1) / descriptors_per_page;
}

Result<> set_root(Vcpu& vcpu, Mfn& place, Mfn root, bool in_force) {
    auto& domain = *vcpu.domain;
    if (root == place) { // which holds a reference already
        if (in_force && root != Mfn{})
            machine::load_root(root);
        return {};
    }
    if (root != Mfn{})
        BULKHEAD_TRY(get_typed(root, FrameType::l4, domain));
    const auto old = place;
    place = root;
    if (in_force && root != Mfn{})
        machine::load_root(root);
    if (old != Mfn{})
        drop_typed(old, domain);
    return {};
}

// The first of `frames`, up to one that is empty.
void drop_descriptors(std::span<Mfn> frames, Domain& payer) {
    for (auto& mfn : frames) {
        if (mfn == Mfn{})
            return;
        drop_typed(std::exchange(mfn, Mfn{}), payer);
    }
}

// Takes all of `wanted`, or as many as there is time for, or none.
template<FrameType type>
Result<> take_descriptors(Vcpu& vcpu, std::span<const Mfn> wanted) {
    const std::span taken{vcpu.tables.taken_frames};
    std::size_t i = 0;
    while (i < wanted.size() && taken[i] != Mfn{} && taken[i] == wanted[i])
        ++i;
    drop_descriptors(taken.subspan(i), *vcpu.domain); // of another call, which was never finished
    for (; i < wanted.size(); ++i) {
        if (const auto done = get_typed(wanted[i], type, *vcpu.domain); !done) {
            if (done.error() != Error::restart)
                drop_descriptors(taken, *vcpu.domain);
            return done;
        }
        taken[i] = wanted[i];
    }
    return {};
}

// All of `wanted` or none; then lets go of the `before` frames that `held` had.
template<FrameType type>
Result<> replace_descriptors(Vcpu& vcpu, std::span<Mfn, 16> held, std::size_t before,
                             std::span<const Mfn> wanted) {
    BULKHEAD_TRY(take_descriptors<type>(vcpu, wanted));
    for (std::size_t i = 0; i < std::max(before, wanted.size()); ++i) {
        auto& taken = vcpu.tables.taken_frames[i];
        const auto old = held[i];
        held[i] = std::exchange(taken, Mfn{});
        if (old != Mfn{})
            drop_typed(old, *vcpu.domain);
    }
    return {};
}

template<FrameType type>
Result<> replace_gdt(Vcpu& vcpu, const Mfn* frames, std::uint32_t entries) {
    if (entries > max_gdt_entries)
        return fail(Error::invalid);
    const auto before = pages_of(vcpu.tables.gdt_entries);
    BULKHEAD_TRY(replace_descriptors<type>(vcpu, std::span<Mfn, 16>{vcpu.tables.gdt_frames}, before,
                                           {frames, pages_of(entries)}));
    vcpu.tables.gdt_entries = entries;
    vcpu.tables.gdt_slot = type == FrameType::descriptors && entries == 0 ? 0 : vcpu.sched.slot;
    machine::map_descriptors(vcpu.sched.slot, false, vcpu.tables.gdt_frames, pages_of(entries), before);
    return {};
}

template<FrameType type>
Result<> replace_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries) {
    if (entries > max_ldt_entries || base % page_bytes != 0)
        return fail(Error::invalid);
    const auto pages = pages_of(entries);
    std::array<Mfn, 16> wanted{};
    for (std::uint32_t i = 0; i < pages; ++i) {
        const auto found = walk(vcpu.tables.kernel_root, GuestAddress{base + i * page_bytes});
        if (!found.ok())
            return fail(Error::invalid);
        wanted[i] = entry::frame(found.leaf());
    }
    const auto before = pages_of(vcpu.tables.ldt_entries);
    BULKHEAD_TRY(replace_descriptors<type>(vcpu, std::span<Mfn, 16>{vcpu.tables.ldt_frames}, before,
                                           std::span{wanted}.first(pages)));
    vcpu.tables.ldt_base = base;
    vcpu.tables.ldt_entries = entries;
    machine::map_descriptors(vcpu.sched.slot, true, vcpu.tables.ldt_frames, pages, before);
    return {};
}

// The vCPU's own L4.
Result<> need_own_root(Vcpu& vcpu) {
    if (vcpu.tables.kernel_root != Mfn{})
        return {};
    const auto page = vcpu.domain->allocate_metadata();
    if (!page)
        return fail(page.error());
    machine::install_hypervisor_slots(static_cast<std::uint64_t*>(*page));
    vcpu.tables.kernel_root = vcpu.tables.user_root = machine::frame_of(*page);
    return {};
}

} // namespace

Result<> set_pae_root(Vcpu& vcpu, Mfn root, bool in_force) {
    if (root == Mfn{})
        return fail(Error::invalid);
    auto& domain = *vcpu.domain;
    BULKHEAD_TRY(need_own_root(vcpu));
    BULKHEAD_TRY(get_typed(root, FrameType::pae_l3, domain));
    const auto old = std::exchange(vcpu.tables.pae_root, root);
    const auto e = root.value() << page_shift | entry::present | entry::writable | entry::user;
    __atomic_store_n(machine::frame_as<std::uint64_t>(vcpu.tables.kernel_root), e, __ATOMIC_RELEASE);
    if (in_force)
        machine::load_root(vcpu.tables.kernel_root);
    if (old != Mfn{})
        drop_typed(old, domain);
    return {};
}

Result<> set_kernel_root(Vcpu& vcpu, Mfn root, bool in_force) {
    if (in_force && root == Mfn{})
        return fail(Error::invalid);
    return set_root(vcpu, vcpu.tables.kernel_root, root, in_force);
}

Result<> set_user_root(Vcpu& vcpu, Mfn root, bool in_force) {
    if (in_force && root == Mfn{})
        return fail(Error::invalid);
    return set_root(vcpu, vcpu.tables.user_root, root, in_force);
}

Result<> set_gdt(Vcpu& vcpu, const Mfn* frames, std::uint32_t entries) {
    return replace_gdt<FrameType::descriptors>(vcpu, frames, entries);
}

Result<> set_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries) {
    return replace_ldt<FrameType::descriptors>(vcpu, base, entries);
}

Result<> set_pae_gdt(Vcpu& vcpu, const Mfn* frames, std::uint32_t entries) {
    return replace_gdt<FrameType::pae_descriptors>(vcpu, frames, entries);
}

Result<> set_pae_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries) {
    return replace_ldt<FrameType::pae_descriptors>(vcpu, base, entries);
}

} // namespace bulkhead::hv
