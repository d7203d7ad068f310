#include "hv/calls/descriptors.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/descriptors.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"

#include <array>

namespace bulkhead::hv {

namespace {

using SetTable = Result<>(Vcpu& vcpu, const Mfn* frames, std::uint32_t entries);

template<class Word>
HypercallResult set_table(HypercallContext& context, GuestPtr<const Word> frames, std::uint32_t entries,
                          SetTable& set) {
    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return fail(Error::invalid);
    std::array<Mfn, FIRST_RESERVED_GDT_PAGE> list{};
    for (std::uint32_t i = 0; i < (entries + 511) / 512; ++i) {
        const auto mfn = (frames + i).read();
        BULKHEAD_TRY(mfn);
        list[i] = Mfn{*mfn};
    }
    const LockGuard tables{context.domain.memory.tables};
    BULKHEAD_TRY(settle(context.domain));
    BULKHEAD_TRY(set(context.caller, list.data(), entries));
    return 0;
}

// To the machine address `at`, in a table of `kind`.
template<auto check, FrameType kind>
[[gnu::always_inline]] inline HypercallResult write_descriptor(HypercallContext& context, std::uint64_t at,
                                                               std::uint64_t descriptor) {
    const auto checked = check(descriptor);
    BULKHEAD_TRY(checked);
    const Mfn mfn{at >> page_shift};
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || at % 8 != 0)
        return fail(Error::invalid);
    const LockGuard tables{context.domain.memory.tables};
    BULKHEAD_TRY(settle(context.domain));
    // In a page that no descriptor table uses, the descriptor is data.
    const auto type = frame->validated() && frame->type() == kind ? kind : FrameType::writable;
    BULKHEAD_TRY(get_type(*frame, type, Owner{context.domain.id}));
    __atomic_store_n(machine::frame_as<std::uint64_t>(mfn) + at % page_bytes / 8, *checked, __ATOMIC_RELAXED);
    drop_typed(mfn, context.domain);
    return 0;
}

} // namespace

HypercallResult SetGdt::run(HypercallContext& context) const {
    return set_table(context, frames, entries, set_gdt);
}

HypercallResult PaeSetGdt::run(HypercallContext& context) const {
    return set_table(context, frames, entries, set_pae_gdt);
}

HypercallResult UpdateDescriptor::run(HypercallContext& context) const {
    return write_descriptor<checked_descriptor, FrameType::descriptors>(context, at, descriptor);
}

HypercallResult PaeUpdateDescriptor::run(HypercallContext& context) const {
    return write_descriptor<checked_pae_descriptor, FrameType::pae_descriptors>(context, at, descriptor);
}

HypercallResult VmAssist::run(HypercallContext& context) const {
    // Both kinds of 4 GiB segments and the wide CR3 concern 32-bit guests; a 64-bit one may ask and nothing
    // changes.
    constexpr std::uint64_t known = 1 << VMASST_TYPE_4gb_segments | 1 << VMASST_TYPE_4gb_segments_notify |
                                    1 << VMASST_TYPE_writable_pagetables | 1 << VMASST_TYPE_pae_extended_cr3 |
                                    1 << VMASST_TYPE_architectural_iopl |
                                    1 << VMASST_TYPE_runstate_update_flag;
    if (type >= 64 || (known >> type & 1) == 0)
        return fail(Error::invalid);
    const auto bit = std::uint64_t{1} << type;
    const LockGuard tables{context.domain.memory.tables}; // of two vCPUs, neither undoes the other's change
    switch (command) {
    case VMASST_CMD_enable:
        context.domain.vm_assist |= bit;
        return 0;
    case VMASST_CMD_disable:
        context.domain.vm_assist &= ~bit;
        return 0;
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace bulkhead::hv
