// Grants of the domain to itself: mapped, unmapped, copied.
#include "guest/runtime/grants.hpp"

#include "guest/runtime/paging.hpp"
#include "guest/runtime/vcpus.hpp"
#include "workloads/primitives/meter.hpp"

namespace bulkhead::primitives {
namespace {

using namespace guest;

void perform(unsigned command, auto& operation) {
    if (!hypercall::grant_table_op(command, &operation, 1) || operation.status != GNTST_okay)
        panic("a grant operation failed: {}", static_cast<int>(operation.status));
}

// This domain's number: the runstate of a stranger is not needed for it, a port of its own tells.
domid_t own_number() {
    evtchn_alloc_unbound call{.dom = DOMID_SELF, .remote_dom = DOMID_SELF, .port = 0};
    if (!hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &call))
        panic("no port");
    evtchn_status status{};
    status.dom = DOMID_SELF;
    status.port = call.port;
    if (!hypercall::event_channel_op(EVTCHNOP_status, &status))
        panic("no status of a port");
    return status.u.unbound.dom;
}

void measure_copy(domid_t self, GrantRef from) {
    gnttab_copy_t copy{};
    copy.source.u.ref = from.value();
    copy.source.domid = self;
    copy.dest.u.gmfn = mfn_of(allocate_pages()).value();
    copy.dest.domid = DOMID_SELF;
    copy.flags = GNTCOPY_source_gref;
    for (const std::uint16_t bytes : {std::uint16_t{64}, std::uint16_t{4096}}) {
        copy.len = bytes;
        measure(bytes == 64 ? "grant_copy_64_bytes" : "grant_copy_page",
                [&] { perform(GNTTABOP_copy, copy); });
    }
}

} // namespace

void measure_grants() {
    const domid_t self = own_number();
    const auto lent = grants::lend(allocate_pages(), DomainId{self});
    if (!lent)
        panic("no grant");
    gnttab_map_grant_ref_t map{};
    gnttab_unmap_grant_ref_t unmap{};
    unmap.host_addr = map.host_addr = hypercall::address(reserve_window(1));
    map.flags = GNTMAP_host_map;
    map.ref = lent->value();
    map.dom = self;
    measure("grant_map_and_unmap", [&] {
        perform(GNTTABOP_map_grant_ref, map);
        unmap.handle = map.handle;
        perform(GNTTABOP_unmap_grant_ref, unmap);
    });
    measure_copy(self, *lent);
}

} // namespace bulkhead::primitives
