// GNTTABOP_copy between own frames and through a grant: exact bytes, nothing beyond; copies over a page's
// end, from free references or onto page tables are refused.
#include "guest/runtime/grants.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/own_domain.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static int copy(gnttab_copy call) {
    if (!hypercall::grant_table_op(GNTTABOP_copy, &call, 1))
        return GNTST_general_error;
    return call.status;
}

static gnttab_copy between(const Page* from, const Page* to, std::uint16_t offset, std::uint16_t length) {
    gnttab_copy call{};
    call.source.u.gmfn = mfn_of(from).value();
    call.source.domid = DOMID_SELF;
    call.source.offset = offset;
    call.dest.u.gmfn = mfn_of(to).value();
    call.dest.domid = DOMID_SELF;
    call.dest.offset = offset;
    call.len = length;
    return call;
}

GUEST_TEST(grant_copy, "the hypervisor copies bytes between own frames and grants, within bounds") {
    Page* const pages = allocate_pages(2);
    for (auto& byte : pages[0].bytes)
        byte = std::byte{0xaa};
    check(copy(between(pages, pages + 1, 100, 50)) == GNTST_okay, "a copy between own frames was refused");
    for (std::size_t i = 0; i < page_bytes; ++i)
        check((pages[1].bytes[i] == std::byte{0xaa}) == (i >= 100 && i < 150), "byte {} is wrong", i);

    const GrantRef ref =
        works(grants::lend(pages, own_domain(), grants::Access::read_only), "lending a page");
    gnttab_copy call = between(pages, pages + 1, 0, 16);
    call.flags = GNTCOPY_source_gref;
    call.source.u.ref = ref.value();
    check(copy(call) == GNTST_okay, "a copy from a grant was refused");
    check(pages[1].bytes[15] == std::byte{0xaa} && pages[1].bytes[16] == std::byte{0},
          "the grant's bytes did not arrive");
    call.source.u.ref = 301;
    check(copy(call) != GNTST_okay, "a copy from a free reference was accepted");
    call = between(pages, pages + 1, 0, 16);
    call.flags = GNTCOPY_dest_gref;
    call.dest.u.ref = ref.value();
    check(copy(call) != GNTST_okay, "a copy into a read-only grant was accepted");

    check(copy(between(pages, pages + 1, 4000, 200)) != GNTST_okay,
          "a copy over the end of a page was accepted");
    call = between(pages, pages + 1, 0, 8);
    call.dest.u.gmfn = kernel_root().value();
    check(copy(call) != GNTST_okay, "a copy over the page-table root was accepted");
    call.dest.u.gmfn = no_frame;
    check(copy(call) != GNTST_okay, "a copy to a frame beyond memory was accepted");
    check(grants::end(ref), "the grant cannot be ended");
    free_pages(pages, 2);
}
