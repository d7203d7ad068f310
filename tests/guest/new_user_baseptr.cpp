// The root for user mode: any L4, also none; and a root that is in use cannot be mapped writable even when it
// is unpinned.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(new_user_baseptr, "the user root can be set, replaced and taken away") {
    Page* const root = allocate_pages();
    refused(hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(root).value()), "a writable page as user root");
    works(protect(root, pte::read_only), "making it read-only");
    works(hypercall::mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(root).value()), "pinning");
    works(hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(root).value()), "an empty user root");
    works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(root).value()), "unpinning");
    refused(protect(root, pte::read_write), "a writable mapping of the user root in use");
    works(hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, 0), "no user root");
    works(protect(root, pte::read_write), "the page is plain again");
    refused(hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, no_frame), "a user root beyond memory");
    free_pages(root);
}
