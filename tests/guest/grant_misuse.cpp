// Mapping what was not lent: references that are free or beyond the table, domains that are not there,
// addresses that cannot hold a mapping, handles that were never given.
#include "guest/runtime/grants.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/own_domain.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static int map_at(std::uint64_t address, DomainId domain, GrantRef ref,
                  std::uint32_t flags = GNTMAP_host_map) {
    gnttab_map_grant_ref call{};
    call.host_addr = address;
    call.flags = flags;
    call.ref = ref.value();
    call.dom = domain.value();
    if (!hypercall::grant_table_op(GNTTABOP_map_grant_ref, &call, 1))
        return GNTST_general_error;
    return call.status;
}

GUEST_TEST(grant_misuse, "grants that are none, and places that take none, are refused") {
    const DomainId self = own_domain();
    Page* const page = allocate_pages();
    const GrantRef ref = works(grants::lend(page, self), "lending a page");
    Page* const window = reserve_window(1);
    const std::uint64_t address = hypercall::address(window);
    check(map_at(address, self, GrantRef{300}) != GNTST_okay, "a free reference was mapped");
    check(map_at(address, self, GrantRef{0xfffffff0}) != GNTST_okay,
          "a reference beyond the table was mapped");
    check(map_at(address, DomainId{0x7abc}, ref) != GNTST_okay,
          "a grant of a domain that is not there was mapped");
    check(map_at(address, DomainId{DOMID_IO}, ref) != GNTST_okay, "a grant of DOMID_IO was mapped");
    check(map_at(HYPERVISOR_VIRT_START, self, ref) != GNTST_okay,
          "a grant was mapped into the hypervisor's range");
    check(map_at(window_base + 0x30000000, self, ref) != GNTST_okay, "a grant was mapped where no L1 is");
    check(map_at(address, self, ref, 0) != GNTST_okay, "a mapping of no kind was accepted");
    check(find_slot(address)->entry == 0, "a refused mapping left an entry");

    gnttab_unmap_grant_ref unmap{};
    unmap.host_addr = address;
    for (const std::uint32_t handle : {0u, 12345u, 0xffffffffu}) {
        unmap.handle = handle;
        const auto result = hypercall::grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
        check(!result || unmap.status != GNTST_okay, "handle {} was unmapped", handle);
    }
    check(grants::end(ref), "the grant cannot be ended");
    release_window(window, 1);
    free_pages(page);
}
