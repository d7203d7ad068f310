// The errno of calls that change memory and page tables, row by row.
#include "guest/runtime/paging.hpp"
#include "tests/guest/errno.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constinit Page* data = nullptr;  // mapped writable
constinit Page* spare = nullptr; // to become a table
constinit Page* table = nullptr; // an L1, pinned
constinit Page* upper = nullptr; // an L2, pinned

std::uint64_t machine(const Page* page, unsigned index = 0) {
    return (mfn_of(page).value() << page_shift) + 8 * index;
}

long update(std::uint64_t at, std::uint64_t value, std::uint64_t domains = DOMID_SELF) {
    mmu_update_t request{.ptr = at, .val = value};
    return hypercall::raw(__HYPERVISOR_mmu_update, hypercall::address(&request), 1, 0, domains);
}
long update_mapping(std::uint64_t at, std::uint64_t entry) {
    return answer(hypercall::update_va_mapping(at, entry, 0));
}
long extended(unsigned command, std::uint64_t frame, std::uint64_t second = 0,
              std::uint64_t domain = DOMID_SELF) {
    mmuext_op_t request{};
    request.cmd = command;
    request.arg1.mfn = frame;
    request.arg2.src_mfn = second;
    return hypercall::raw(__HYPERVISOR_mmuext_op, hypercall::address(&request), 1, 0, domain);
}
long reserve(unsigned command, std::uint64_t extent, domid_t domain, unsigned order = 0) {
    xen_pfn_t frame = extent;
    xen_memory_reservation request{};
    request.extent_start.p = &frame;
    request.nr_extents = 1;
    request.extent_order = order;
    request.domid = domain;
    return hypercall::raw(__HYPERVISOR_memory_op, command, hypercall::address(&request));
}
long memory(unsigned command, void* argument) {
    return hypercall::raw(__HYPERVISOR_memory_op, command, hypercall::address(argument));
}
long domain_memory(unsigned command, domid_t id) {
    domid_t domain = id;
    return memory(command, &domain);
}
// Pins a table whose first entry is `entry`.
long pin_with(unsigned command, std::uint64_t entry) {
    *reinterpret_cast<std::uint64_t*>(spare) = entry;
    works(protect(spare, pte::read_only), "making a table");
    const long result = extended(command, mfn_of(spare).value());
    if (result == 0)
        works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(spare).value()), "unpinning");
    works(protect(spare, pte::read_write), "making it data again");
    return result;
}
long set_gdt(xen_pfn_t frame, unsigned entries) {
    return hypercall::raw(__HYPERVISOR_set_gdt, hypercall::address(&frame), entries);
}

constexpr ErrnoRow rows[] = {
    {"mmu_update", "the requests cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return hypercall::raw(__HYPERVISOR_mmu_update, hypervisor_memory, 1, 0, DOMID_SELF); }},
    {"mmu_update", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] { return update(machine(table), 0, no_domain); }},
    {"mmu_update", "the table is not RAM", BULKHEAD_FAILS(EINVAL), [] { return update(no_address, 0); }},
    {"mmu_update", "an L1 entry that makes a page table writable", BULKHEAD_FAILS(EBUSY),
     [] { return update(machine(table), pte::make(mfn_of(upper), pte::read_write)); }},
    {"mmu_update", "an L1 entry for a frame that is not RAM", BULKHEAD_FAILS(EPERM),
     [] { return update(machine(table), pte::make(Mfn{no_frame}, pte::read_only)); }},
    {"mmu_update", "an L2 entry for a page of data", BULKHEAD_FAILS(EINVAL),
     [] { return update(machine(upper), pte::make(mfn_of(data), pte::table)); }},
    {"mmu_update", "a writable L2 entry for its own L2", BULKHEAD_FAILS(EINVAL),
     [] { return update(machine(upper, 5), pte::make(mfn_of(upper), pte::table)); }},
    {"mmu_update", "an L2 entry for a root", BULKHEAD_FAILS(EINVAL),
     [] { return update(machine(upper), pte::make(kernel_root(), pte::table)); }},
    {"mmu_update", "an L2 entry for a 2 MiB page", BULKHEAD_FAILS(EINVAL),
     [] { return update(machine(upper), pte::make(mfn_of(data), pte::read_write | pte::huge)); }},
    {"mmu_update", "a machine-to-physical entry of no RAM", BULKHEAD_FAILS(EINVAL),
     [] { return update(no_address | MMU_MACHPHYS_UPDATE, 1); }},
    {"update_va_mapping", "an address without an L1", BULKHEAD_FAILS(EINVAL),
     [] { return update_mapping(window_base + 0x30000000, 0); }},
    {"update_va_mapping", "an address of the hypervisor", BULKHEAD_FAILS(EINVAL),
     [] { return update_mapping(hypervisor_memory, 0); }},
    {"update_va_mapping", "an entry that makes a page table writable", BULKHEAD_FAILS(EBUSY),
     [] { return update_mapping(hypercall::address(data), pte::make(mfn_of(table), pte::read_write)); }},
    {"update_va_mapping_otherdomain", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] {
         return answer(hypercall::update_va_mapping_otherdomain(
             hypercall::address(data), pte::make(mfn_of(data), pte::read_write), 0, DomainId{no_domain}));
     }},
    {"mmuext_op", "the operations cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return hypercall::raw(__HYPERVISOR_mmuext_op, hypervisor_memory, 1, 0, DOMID_SELF); }},
    {"mmuext_op", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] { return extended(MMUEXT_PIN_L1_TABLE, mfn_of(data).value(), 0, no_domain); }},
    {"mmuext_op", "an unknown command", BULKHEAD_FAILS(ENOSYS), [] { return extended(99, 0); }},
    {"MMUEXT_PIN_L1_TABLE", "a page that is mapped writable", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_PIN_L1_TABLE, mfn_of(data).value()); }},
    {"MMUEXT_PIN_L2_TABLE", "a page that is an L1", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_PIN_L2_TABLE, mfn_of(table).value()); }},
    {"MMUEXT_PIN_L1_TABLE", "a table that is pinned", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_PIN_L1_TABLE, mfn_of(table).value()); }},
    {"MMUEXT_PIN_L1_TABLE", "a frame that is not RAM", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_PIN_L1_TABLE, no_frame); }},
    {"MMUEXT_PIN_L1_TABLE", "a table that maps a page table writable", BULKHEAD_FAILS(EBUSY),
     [] { return pin_with(MMUEXT_PIN_L1_TABLE, pte::make(mfn_of(table), pte::read_write)); }},
    {"MMUEXT_PIN_L1_TABLE", "a table that maps a frame that is not RAM", BULKHEAD_FAILS(EPERM),
     [] { return pin_with(MMUEXT_PIN_L1_TABLE, pte::make(Mfn{no_frame}, pte::read_only)); }},
    {"MMUEXT_PIN_L2_TABLE", "a table with a page of data below", BULKHEAD_FAILS(EINVAL),
     [] { return pin_with(MMUEXT_PIN_L2_TABLE, pte::make(mfn_of(data), pte::table)); }},
    {"MMUEXT_UNPIN_TABLE", "a page that is not pinned", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_UNPIN_TABLE, mfn_of(data).value()); }},
    {"MMUEXT_UNPIN_TABLE", "a frame that is not RAM", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_UNPIN_TABLE, no_frame); }},
    {"MMUEXT_NEW_BASEPTR", "a page of data", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_NEW_BASEPTR, mfn_of(data).value()); }},
    {"MMUEXT_NEW_BASEPTR", "an L1", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_NEW_BASEPTR, mfn_of(table).value()); }},
    {"MMUEXT_TLB_FLUSH_MULTI", "the mask cannot be read", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_TLB_FLUSH_MULTI, 0, hypervisor_memory); }},
    {"MMUEXT_SET_LDT", "an address within a page", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_SET_LDT, hypercall::address(data) + 8, 512); }},
    {"MMUEXT_SET_LDT", "more than 8,192 entries", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_SET_LDT, hypercall::address(data), 8193); }},
    {"MMUEXT_CLEAR_PAGE", "a page table", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_CLEAR_PAGE, mfn_of(table).value()); }},
    {"MMUEXT_CLEAR_PAGE", "a frame that is not RAM", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_CLEAR_PAGE, no_frame); }},
    {"MMUEXT_COPY_PAGE", "to a page table", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_COPY_PAGE, mfn_of(table).value(), mfn_of(data).value()); }},
    {"MMUEXT_COPY_PAGE", "from a frame that is not RAM", BULKHEAD_FAILS(EINVAL),
     [] { return extended(MMUEXT_COPY_PAGE, mfn_of(data).value(), no_frame); }},
    {"MMUEXT_MARK_SUPER", "always", BULKHEAD_FAILS(EOPNOTSUPP),
     [] { return extended(MMUEXT_MARK_SUPER, 0); }},
    {"set_gdt", "more than 7,168 entries", BULKHEAD_FAILS(EINVAL), [] { return set_gdt(0, 7169); }},
    {"set_gdt", "the list cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return hypercall::raw(__HYPERVISOR_set_gdt, hypervisor_memory, 512); }},
    {"set_gdt", "a page that is mapped writable", BULKHEAD_FAILS(EINVAL),
     [] { return set_gdt(mfn_of(data).value(), 512); }},
    {"set_gdt", "a page table", BULKHEAD_FAILS(EINVAL), [] { return set_gdt(mfn_of(table).value(), 512); }},
    {"update_descriptor", "a frame that is not RAM", BULKHEAD_FAILS(EINVAL),
     [] { return answer(hypercall::update_descriptor(no_address, 0)); }},
    {"update_descriptor", "an address within an entry", BULKHEAD_FAILS(EINVAL),
     [] { return answer(hypercall::update_descriptor(machine(data) + 4, 0)); }},
    {"update_descriptor", "a page table", BULKHEAD_FAILS(EINVAL),
     [] { return answer(hypercall::update_descriptor(machine(table), 0)); }},
    {"update_descriptor", "a call gate into the hypervisor", BULKHEAD_FAILS(EINVAL),
     [] { return answer(hypercall::update_descriptor(machine(data), 0x0000ec00e0080000)); }},
    {"memory_op", "an unknown command", BULKHEAD_FAILS(ENOSYS), [] { return memory(60, nullptr); }},
    {"XENMEM_decrease_reservation", "a frame that is not RAM: extents done", BULKHEAD_WORKS,
     [] { return reserve(XENMEM_decrease_reservation, no_frame, DOMID_SELF); }},
    {"XENMEM_decrease_reservation", "no such domain: extents done", BULKHEAD_WORKS,
     [] { return reserve(XENMEM_decrease_reservation, mfn_of(data).value(), no_domain); }},
    {"XENMEM_populate_physmap", "no such domain: extents done", BULKHEAD_WORKS,
     [] { return reserve(XENMEM_populate_physmap, 1, no_domain); }},
    {"XENMEM_populate_physmap", "an extent of 2^20 pages: extents done", BULKHEAD_WORKS,
     [] { return reserve(XENMEM_populate_physmap, 1, DOMID_SELF, 20); }},
    {"XENMEM_populate_physmap", "the argument cannot be read: extents done", BULKHEAD_WORKS,
     [] { return memory(XENMEM_populate_physmap, unreadable<void>()); }},
    {"XENMEM_current_reservation", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] { return domain_memory(XENMEM_current_reservation, no_domain); }},
    {"XENMEM_maximum_reservation", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return memory(XENMEM_maximum_reservation, unreadable<void>()); }},
    {"XENMEM_machphys_mapping", "the argument cannot be written", BULKHEAD_FAILS(EFAULT),
     [] { return memory(XENMEM_machphys_mapping, unreadable<void>()); }},
    {"XENMEM_exchange", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return memory(XENMEM_exchange, unreadable<void>()); }},
    {"vm_assist", "an unknown command", BULKHEAD_FAILS(ENOSYS),
     [] { return hypercall::raw(__HYPERVISOR_vm_assist, 9, VMASST_TYPE_4gb_segments); }},
    {"vm_assist", "an unknown type", BULKHEAD_FAILS(EINVAL),
     [] { return hypercall::raw(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 60); }},
};

} // namespace

GUEST_TEST(errno_memory, "calls that change memory fail with the documented errno") {
    data = allocate_pages(), spare = allocate_pages(), table = allocate_pages(), upper = allocate_pages();
    works(protect(table, pte::read_only), "an L1");
    works(protect(upper, pte::read_only), "an L2");
    works(hypercall::mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(table).value()), "pinning an L1");
    works(hypercall::mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(upper).value()), "pinning an L2");
    check_errnos(rows);
    for (Page* page : {table, upper}) {
        works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(page).value()), "unpinning");
        works(protect(page, pte::read_write), "making it data again");
        free_pages(page);
    }
    free_pages(data);
    free_pages(spare);
}
