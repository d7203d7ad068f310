// Page tables, memory, descriptor tables, grants.
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"
#include "hv/mm/walk.hpp"
#include "tests/fuzz/whole/boot.hpp"
#include "tests/fuzz/whole/calls.hpp"

extern "C" {
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/xen.h>
}

namespace bulkhead::hv::whole {

namespace {

// The root is to show its own tables in a window, or another table's, which may be refused.
mmu_update_t linear_update(Mfn root, Mfn other, std::uint32_t number) {
    constexpr std::uint64_t read_only = 5;
    const auto shown = other != Mfn{} ? other : root;
    return {.ptr = root.value() << page_shift | (window + number) * 8,
            .val = shown.value() << page_shift | read_only};
}

} // namespace

Call Calls::tables(Vcpu& vcpu, Place& place) {
    const auto choice = input_.below(4);
    if (choice == 0)
        return extended(vcpu, place);
    if (choice == 1)
        return {__HYPERVISOR_update_va_mapping,
                {any_address(), any_entry(*vcpu.domain), input_.below(3) | std::uint64_t{UVMF_ALL}}};
    const auto count = 1 + input_.below(4);
    auto* const updates = place.array<mmu_update_t>(count);
    const auto found = walk(vcpu.tables.kernel_root, GuestAddress{0});
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto kind = input_.below(8);
        const auto table = kind < 6 && found.l1 != Mfn{} ? found.l1 : any_frame(*vcpu.domain);
        updates[i].ptr = table.value() << page_shift | any_index() * 8;
        updates[i].val = any_entry(*vcpu.domain);
        if (kind == 7)
            updates[i] = linear_update(vcpu.tables.kernel_root, (updates[i].val & 4) != 0 ? table : Mfn{}, i);
    }
    const auto owners = input_.below(8) == 0 ? any_domain() : std::uint16_t{DOMID_SELF};
    return {__HYPERVISOR_mmu_update, {reinterpret_cast<std::uint64_t>(updates), count, 0, owners}};
}

Call Calls::extended(Vcpu& vcpu, Place& place) {
    const auto count = 1 + input_.below(3);
    auto* const operations = place.array<mmuext_op_t>(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        auto& op = operations[i];
        op.cmd = input_.below(22);
        op.arg1.mfn = op.cmd == MMUEXT_SET_LDT ? any_address() & ~0xfffULL : any_frame(*vcpu.domain).value();
        op.arg2.src_mfn = op.cmd == MMUEXT_SET_LDT ? input_.below(2) * 513 : any_frame(*vcpu.domain).value();
        if (op.cmd == MMUEXT_TLB_FLUSH_MULTI || op.cmd == MMUEXT_INVLPG_MULTI) {
            const std::uint64_t mask = input_.byte();
            op.arg2.vcpumask.p = reinterpret_cast<void*>(place.put(mask));
        }
    }
    return {__HYPERVISOR_mmuext_op, {reinterpret_cast<std::uint64_t>(operations), count, 0, DOMID_SELF}};
}

Call Calls::memory(Vcpu& vcpu, Place& place) {
    constexpr std::uint64_t commands[] = {XENMEM_populate_physmap, XENMEM_decrease_reservation,
                                          XENMEM_increase_reservation, XENMEM_exchange};
    const auto command = input_.of(commands);
    const auto count = 1 + input_.below(4);
    auto* const list = place.array<std::uint64_t>(count);
    for (std::uint32_t i = 0; i < count; ++i)
        list[i] = any_frame(*vcpu.domain).value();
    if (command == XENMEM_exchange) {
        xen_memory_exchange_t request{};
        request.in.extent_start.p = list;
        request.out.extent_start.p = place.array<std::uint64_t>(count);
        request.in.nr_extents = request.out.nr_extents = count;
        request.in.domid = request.out.domid = DOMID_SELF;
        return {__HYPERVISOR_memory_op, {command, place.put(request)}};
    }
    xen_memory_reservation_t request{};
    request.extent_start.p = list;
    request.nr_extents = count;
    request.extent_order = input_.below(4) / 3 * input_.below(4);
    request.domid = input_.below(8) == 0 ? any_domain() : std::uint16_t{DOMID_SELF};
    return {__HYPERVISOR_memory_op, {command, place.put(request)}};
}

Call Calls::descriptors(Vcpu& vcpu, Place& place) {
    if (input_.below(2) == 0)
        return {__HYPERVISOR_update_descriptor,
                {any_frame(*vcpu.domain).value() << page_shift | input_.below(32) * 8,
                 0x00cf92000000ffff | any_entry(*vcpu.domain)}};
    auto* const frames = place.array<std::uint64_t>(14);
    const auto pages = input_.below(4);
    for (std::uint32_t i = 0; i < pages; ++i)
        frames[i] = any_frame(*vcpu.domain).value();
    return {__HYPERVISOR_set_gdt, {reinterpret_cast<std::uint64_t>(frames), pages * 512}};
}

// The guest writes an entry of its own grant table: anything, for anybody.
void Calls::lend(Domain& lender) {
    if (lender.grants.frame_count == 0)
        return;
    auto& entry = machine::frame_as<grant_entry_v1_t>(lender.grants.frames[0])[8 + input_.below(8)];
    entry.flags = static_cast<std::uint16_t>(input_.below(4) == 0 ? input_.byte() : GTF_permit_access);
    entry.domid = any_domain();
    entry.frame = static_cast<std::uint32_t>(any_frame(lender).value());
}

Call Calls::grants(Vcpu& vcpu, Place& place) {
    lend(*vcpu.domain);
    const auto ref = 8 + input_.below(8);
    const auto peer = any_domain();
    switch (input_.below(6)) {
    case 0:
    case 1: {
        gnttab_map_grant_ref_t map{};
        map.flags = GNTMAP_host_map | (input_.below(4) == 0 ? GNTMAP_readonly : 0U) |
                    (input_.below(8) == 0 ? GNTMAP_device_map : 0U);
        map.host_addr = any_address();
        map.ref = ref;
        // A guest ends when nobody maps its frames any more, and domain 0 has no end.
        map.dom = vcpu.domain->privileged ? vcpu.domain->id.value() : peer;
        return {__HYPERVISOR_grant_table_op, {GNTTABOP_map_grant_ref, place.put(map), 1}};
    }
    case 2:
    case 3: {
        gnttab_unmap_grant_ref_t unmap{};
        unmap.host_addr = any_address();
        unmap.handle = input_.below(8);
        return {__HYPERVISOR_grant_table_op, {GNTTABOP_unmap_grant_ref, place.put(unmap), 1}};
    }
    case 4: {
        gnttab_copy_t copy{};
        copy.source.domid = copy.dest.domid = DOMID_SELF;
        copy.dest.u.gmfn = any_frame(*vcpu.domain).value();
        copy.source.u.ref = ref;
        copy.source.domid = peer;
        copy.flags = GNTCOPY_source_gref;
        copy.len = static_cast<std::uint16_t>(input_.byte() * 17);
        return {__HYPERVISOR_grant_table_op, {GNTTABOP_copy, place.put(copy), 1}};
    }
    default: {
        gnttab_setup_table_t setup{};
        setup.dom = DOMID_SELF;
        setup.nr_frames = 1 + input_.below(8);
        setup.frame_list.p = place.array<xen_pfn_t>(8);
        return {__HYPERVISOR_grant_table_op, {GNTTABOP_setup_table, place.put(setup), 1}};
    }
    }
}

} // namespace bulkhead::hv::whole
