// The table itself: its size is told, asking for more frames than allowed is refused, the frames can be
// mapped, and they cannot be turned into page tables.
#include "guest/runtime/grants.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(grant_table, "the grant table tells its size and gives its frames") {
    gnttab_query_size size{};
    size.dom = DOMID_SELF;
    works(hypercall::grant_table_op(GNTTABOP_query_size, &size, 1), "query_size");
    check(size.status == GNTST_okay && size.max_nr_frames >= 1, "status {}, at most {} frames", size.status,
          size.max_nr_frames);
    std::array<xen_pfn_t, 1> frames{};
    gnttab_setup_table setup{};
    setup.dom = DOMID_SELF;
    setup.nr_frames = 1;
    setup.frame_list.p = frames.data();
    works(hypercall::grant_table_op(GNTTABOP_setup_table, &setup, 1), "setup_table");
    check(setup.status == GNTST_okay && frames[0] != 0, "status {}, frame {x}", setup.status, frames[0]);
    unmap_frames(works(map_frame(Mfn{frames[0]}), "mapping the table"));
    refused(hypercall::mmuext(MMUEXT_PIN_L1_TABLE, frames[0]), "pinning the grant table as a page table");

    setup.nr_frames = size.max_nr_frames + 1;
    const auto too_many = hypercall::grant_table_op(GNTTABOP_setup_table, &setup, 1);
    check(!too_many || setup.status != GNTST_okay, "more frames than allowed were given");
    setup.nr_frames = 1;
    setup.dom = 0x7abc;
    const auto foreign = hypercall::grant_table_op(GNTTABOP_setup_table, &setup, 1);
    check(!foreign || setup.status != GNTST_okay, "the table of a domain that is not there was given");
    refused(hypercall::grant_table_op(777, &setup, 1), Error::no_such_call, "an unknown command");
    refused(hypercall::grant_table_op(GNTTABOP_query_size, reinterpret_cast<void*>(hypervisor_memory), 1),
            Error::fault, "an argument in the hypervisor's memory");
}
