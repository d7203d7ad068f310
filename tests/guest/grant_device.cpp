// GNTMAP_device_map: a mapping for a device is a use of its own. It can be made without a mapping for the
// processor, it is given up by its bus address, and the grant is in use until both are.
#include "guest/runtime/grants.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/own_domain.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

gnttab_map_grant_ref map(std::uint64_t at, DomainId self, GrantRef ref, std::uint32_t flags) {
    gnttab_map_grant_ref call{};
    call.host_addr = at;
    call.flags = flags;
    call.ref = ref.value();
    call.dom = self.value();
    works(hypercall::grant_table_op(GNTTABOP_map_grant_ref, &call, 1), "map_grant_ref");
    check(call.status == GNTST_okay, "a mapping with flags {x} got {}", flags, call.status);
    return call;
}
int unmap(std::uint64_t at, std::uint64_t bus, std::uint32_t handle) {
    gnttab_unmap_grant_ref call{};
    call.host_addr = at;
    call.dev_bus_addr = bus;
    call.handle = handle;
    works(hypercall::grant_table_op(GNTTABOP_unmap_grant_ref, &call, 1), "unmap_grant_ref");
    return call.status;
}

} // namespace

GUEST_TEST(grant_device, "a grant is in use until its mappings for processor and device are both gone") {
    const DomainId self = own_domain();
    Page* const page = allocate_pages();
    Page* const window = reserve_window(1);
    const std::uint64_t at = hypercall::address(window);
    const std::uint64_t bus = mfn_of(page).value() << page_shift;

    GrantRef ref = works(grants::lend(page, self), "lending a page");
    auto both = map(at, self, ref, GNTMAP_host_map | GNTMAP_device_map);
    check(both.dev_bus_addr == bus, "the bus address is {x}", both.dev_bus_addr);
    check(unmap(at, 0, both.handle) == GNTST_okay, "the processor's mapping could not be given up");
    check(!traps::read_guarded(at), "the page is still mapped");
    check(!grants::end(ref), "the grant could be ended while a device has it");
    check(unmap(0, bus, both.handle) == GNTST_okay, "the device's mapping could not be given up");
    check(unmap(0, bus, both.handle) == GNTST_bad_handle, "the handle outlived its mappings");
    check(grants::end(ref), "the grant cannot be ended");

    ref = works(grants::lend(page, self), "lending it again");
    both = map(at, self, ref, GNTMAP_host_map | GNTMAP_device_map);
    check(unmap(at, bus, both.handle) == GNTST_okay, "both could not be given up at once");
    check(grants::end(ref), "the grant cannot be ended after both");

    ref = works(grants::lend(page, self), "lending it once more");
    const auto alone = map(0, self, ref, GNTMAP_device_map);
    check(alone.dev_bus_addr == bus, "the bus address is {x}", alone.dev_bus_addr);
    check(!grants::end(ref), "the grant could be ended while only a device has it");
    check(unmap(0, bus, alone.handle) == GNTST_okay, "a device's only mapping could not be given up");
    check(grants::end(ref), "the grant cannot be ended after the device");
    release_window(window, 1);
    free_pages(page);
}
