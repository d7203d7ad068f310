// MMUEXT_CLEAR_PAGE and MMUEXT_COPY_PAGE work on own plain frames and refuse page tables and foreign frames.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static Status copy(Mfn to, Mfn from) {
    mmuext_op_t operation{};
    operation.cmd = MMUEXT_COPY_PAGE;
    operation.arg1.mfn = to.value();
    operation.arg2.src_mfn = from.value();
    const auto done = hypercall::mmuext_op({&operation, 1});
    if (!done)
        return std::unexpected{done.error()};
    return {};
}

GUEST_TEST(page_operations, "the hypervisor clears and copies own frames only") {
    Page* const pages = allocate_pages(2);
    pages[0].bytes[page_bytes - 1] = std::byte{7};
    const Status copied = copy(mfn_of(pages + 1), mfn_of(pages));
    if (!copied && copied.error() == Error::no_such_call)
        skip("no page operations here");
    works(copied, "copying a page");
    check(pages[1].bytes[page_bytes - 1] == std::byte{7}, "the copy differs");
    works(hypercall::mmuext(MMUEXT_CLEAR_PAGE, mfn_of(pages).value()), "clearing a page");
    check(pages[0].bytes[page_bytes - 1] == std::byte{0}, "the page is not clear");
    refused(hypercall::mmuext(MMUEXT_CLEAR_PAGE, kernel_root().value()), "clearing the page-table root");
    refused(copy(kernel_root(), mfn_of(pages)), "copying over the page-table root");
    refused(copy(mfn_of(pages), Mfn{no_frame}), "copying a frame beyond memory");
    free_pages(pages, 2);
}
