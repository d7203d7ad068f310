// The errno of grant_table_op and the status of its operations, row by row.
#include "guest/runtime/grants.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/errno.hpp"
#include "tests/guest/own_domain.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constinit Page* page = nullptr;
constinit Page* window = nullptr;
constinit Page* other = nullptr; // data that is not lent
constinit Page* table = nullptr; // lent, and a page table
constinit DomainId self{};
constinit GrantRef lent{}, read_only{}, lent_table{};
constinit grants::Mapping mapped{};
constexpr std::uint32_t no_ref = 0xfffffff0, free_ref = 300;

// The status of one operation, or the call's own errno.
template<class T>
long operate(unsigned command, T& operation) {
    const long result =
        hypercall::raw(__HYPERVISOR_grant_table_op, command, hypercall::address(&operation), 1);
    return result < 0 ? result : long{operation.status};
}
long map(std::uint64_t at, domid_t domain, std::uint32_t ref, std::uint32_t flags = GNTMAP_host_map) {
    gnttab_map_grant_ref operation{};
    operation.host_addr = at;
    operation.flags = flags;
    operation.ref = ref;
    operation.dom = domain;
    return operate(GNTTABOP_map_grant_ref, operation);
}
long unmap(std::uint64_t at, std::uint32_t handle, std::uint64_t bus = 0) {
    gnttab_unmap_grant_ref operation{};
    operation.host_addr = at;
    operation.handle = handle;
    operation.dev_bus_addr = bus;
    return operate(GNTTABOP_unmap_grant_ref, operation);
}
gnttab_copy plain_copy() {
    gnttab_copy operation{};
    operation.source.u.gmfn = operation.dest.u.gmfn = mfn_of(page).value();
    operation.source.domid = operation.dest.domid = DOMID_SELF;
    operation.len = 8;
    return operation;
}
template<class Change>
long copy(Change change) {
    gnttab_copy operation = plain_copy();
    change(operation);
    return operate(GNTTABOP_copy, operation);
}
long setup(domid_t domain, unsigned frames) {
    static xen_pfn_t list[64];
    gnttab_setup_table operation{};
    operation.dom = domain;
    operation.nr_frames = frames;
    operation.frame_list.p = list;
    return operate(GNTTABOP_setup_table, operation);
}
long swap(std::uint32_t a, std::uint32_t b) {
    gnttab_swap_grant_ref operation{};
    operation.ref_a = a;
    operation.ref_b = b;
    return operate(GNTTABOP_swap_grant_ref, operation);
}
long call(unsigned command, std::uint64_t argument, std::uint64_t count) {
    return hypercall::raw(__HYPERVISOR_grant_table_op, command, argument, count);
}
std::uint64_t place() { return hypercall::address(window); }

constexpr ErrnoRow rows[] = {
    {"grant_table_op", "an unknown command", BULKHEAD_FAILS(ENOSYS), [] { return call(99, 0, 1); }},
    {"grant_table_op", "the operations cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return call(GNTTABOP_map_grant_ref, hypervisor_memory, 1); }},
    {"grant_table_op", "2^31 operations", BULKHEAD_FAILS(EINVAL),
     [] { return call(GNTTABOP_map_grant_ref, 0, 0x80000000); }},
    {"GNTTABOP_setup_table", "two operations", BULKHEAD_FAILS(EINVAL),
     [] { return call(GNTTABOP_setup_table, 0, 2); }},
    {"GNTTABOP_query_size", "no operation", BULKHEAD_FAILS(EINVAL),
     [] { return call(GNTTABOP_query_size, 0, 0); }},
    {"GNTTABOP_setup_table", "more frames than the limit", BULKHEAD_STATUS(general_error),
     [] { return setup(DOMID_SELF, 100'000); }},
    {"GNTTABOP_setup_table", "no such domain", BULKHEAD_STATUS(bad_domain),
     [] { return setup(no_domain, 1); }},
    {"GNTTABOP_query_size", "no such domain", BULKHEAD_STATUS(bad_domain),
     [] {
         gnttab_query_size operation{};
         operation.dom = no_domain;
         return operate(GNTTABOP_query_size, operation);
     }},
    {"GNTTABOP_get_version", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] {
         gnttab_get_version operation{};
         operation.dom = no_domain;
         return call(GNTTABOP_get_version, hypercall::address(&operation), 1);
     }},
    {"GNTTABOP_set_version", "version 3", BULKHEAD_FAILS(EINVAL),
     [] {
         gnttab_set_version operation{.version = 3};
         return call(GNTTABOP_set_version, hypercall::address(&operation), 1);
     }},
    {"GNTTABOP_map_grant_ref", "no such domain", BULKHEAD_STATUS(bad_domain),
     [] { return map(place(), no_domain, lent.value()); }},
    {"GNTTABOP_map_grant_ref", "a reference beyond the table", BULKHEAD_STATUS(bad_gntref),
     [] { return map(place(), self.value(), no_ref); }},
    {"GNTTABOP_map_grant_ref", "a free reference", BULKHEAD_STATUS(general_error),
     [] { return map(place(), self.value(), free_ref); }},
    {"GNTTABOP_map_grant_ref", "a mapping of no kind", BULKHEAD_STATUS(bad_gntref),
     [] { return map(place(), self.value(), lent.value(), 0); }},
    {"GNTTABOP_map_grant_ref", "writable, of a read-only grant", BULKHEAD_STATUS(general_error),
     [] { return map(place(), self.value(), read_only.value()); }},
    {"GNTTABOP_map_grant_ref", "writable, of a page table", BULKHEAD_STATUS(general_error),
     [] { return map(place(), self.value(), lent_table.value()); }},
    {"GNTTABOP_map_grant_ref", "an address without an L1", BULKHEAD_STATUS(general_error),
     [] { return map(window_base + 0x30000000, self.value(), lent.value()); }},
    {"GNTTABOP_map_grant_ref", "an entry in a frame that is not RAM", BULKHEAD_STATUS(general_error),
     [] { return map(no_address, self.value(), lent.value(), GNTMAP_host_map | GNTMAP_contains_pte); }},
    {"GNTTABOP_map_grant_ref", "an entry in a page of data", BULKHEAD_STATUS(general_error),
     [] {
         return map(mfn_of(page).value() << page_shift, self.value(), lent.value(),
                    GNTMAP_host_map | GNTMAP_contains_pte);
     }},
    {"GNTTABOP_unmap_grant_ref", "a handle beyond the table", BULKHEAD_STATUS(bad_handle),
     [] { return unmap(place(), 0xffffffff); }},
    {"GNTTABOP_unmap_grant_ref", "a handle without a mapping", BULKHEAD_STATUS(bad_handle),
     [] { return unmap(place(), mapped.handle + 1); }},
    {"GNTTABOP_unmap_grant_ref", "another address than the mapping's", BULKHEAD_STATUS(general_error),
     [] { return unmap(hypercall::address(other), mapped.handle); }},
    {"GNTTABOP_unmap_grant_ref", "no address: nothing to do", BULKHEAD_WORKS,
     [] { return unmap(0, mapped.handle); }},
    {"GNTTABOP_unmap_grant_ref", "a bus address, of a mapping for no device: nothing to do", BULKHEAD_WORKS,
     [] { return unmap(0, mapped.handle, page_bytes); }},
    {"GNTTABOP_copy", "bytes beyond the source's page", BULKHEAD_STATUS(bad_copy_arg),
     [] { return copy([](gnttab_copy& c) { c.source.offset = 4090; }); }},
    {"GNTTABOP_copy", "bytes beyond the destination's page", BULKHEAD_STATUS(bad_copy_arg),
     [] { return copy([](gnttab_copy& c) { c.dest.offset = 4090; }); }},
    {"GNTTABOP_copy", "from a frame that is not RAM", BULKHEAD_STATUS(bad_page),
     [] { return copy([](gnttab_copy& c) { c.source.u.gmfn = no_frame; }); }},
    {"GNTTABOP_copy", "to a page table", BULKHEAD_STATUS(general_error),
     [] { return copy([](gnttab_copy& c) { c.dest.u.gmfn = kernel_root().value(); }); }},
    {"GNTTABOP_copy", "from no such domain", BULKHEAD_STATUS(bad_domain),
     [] { return copy([](gnttab_copy& c) { c.source.domid = no_domain; }); }},
    {"GNTTABOP_copy", "from a reference beyond the table", BULKHEAD_STATUS(bad_gntref),
     [] {
         return copy([](gnttab_copy& c) {
             c.flags = GNTCOPY_source_gref;
             c.source.u.ref = no_ref;
             c.source.domid = self.value();
         });
     }},
    {"GNTTABOP_copy", "from a free reference", BULKHEAD_STATUS(general_error),
     [] {
         return copy([](gnttab_copy& c) {
             c.flags = GNTCOPY_source_gref;
             c.source.u.ref = free_ref;
             c.source.domid = self.value();
         });
     }},
    {"GNTTABOP_copy", "into a read-only grant", BULKHEAD_STATUS(general_error),
     [] {
         return copy([](gnttab_copy& c) {
             c.flags = GNTCOPY_dest_gref;
             c.dest.u.ref = read_only.value();
             c.dest.domid = self.value();
         });
     }},
    {"GNTTABOP_swap_grant_ref", "a reference beyond the table", BULKHEAD_STATUS(bad_gntref),
     [] { return swap(no_ref, lent.value()); }},
    {"GNTTABOP_swap_grant_ref", "a grant that is mapped", BULKHEAD_STATUS(eagain),
     [] { return swap(free_ref, lent.value()); }},
};

} // namespace

GUEST_TEST(errno_grants, "grant calls and operations fail with the documented errno and status") {
    self = own_domain();
    page = allocate_pages();
    window = reserve_window(1);
    other = allocate_pages();
    table = allocate_pages();
    works(protect(table, pte::read_only), "making a table");
    works(hypercall::mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(table).value()), "pinning a table");
    lent_table = works(grants::lend(table, self), "lending a table");
    lent = works(grants::lend(page, self), "lending a page");
    read_only = works(grants::lend(page, self, grants::Access::read_only), "lending it read-only");
    mapped = works(grants::map(self, lent), "mapping a grant");
    check_errnos(rows);
    works(grants::unmap(mapped), "unmapping");
    check(grants::end(lent) && grants::end(read_only) && grants::end(lent_table),
          "a refused operation left a use behind");
    release_window(window, 1);
    works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table).value()), "unpinning the table");
    works(protect(table, pte::read_write), "making it data again");
    for (Page* freed : {page, other, table})
        free_pages(freed);
}
