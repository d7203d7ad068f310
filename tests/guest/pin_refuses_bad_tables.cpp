// A table is checked whole when it becomes one: a single wrong entry anywhere refuses it and leaves the frame
// as it was.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static void expect_refused(std::uint64_t entry, unsigned command, std::string_view what) {
    Page* const table = allocate_pages();
    // Not one of the hypervisor's slots, which a root does not have checked.
    const unsigned last_of_root = is_narrow ? 3 : 255;
    reinterpret_cast<std::uint64_t*>(table)[command == pin_root ? last_of_root : 511] = entry;
    works(protect(table, pte::read_only), "making a table read-only");
    refused(hypercall::mmuext(command, mfn_of(table).value()), what);
    works(protect(table, pte::read_write), "making it writable after the refusal");
    free_pages(table);
}

GUEST_TEST(pin_refuses_bad_tables, "one wrong entry refuses the whole table and leaves nothing behind") {
    const Page* const data = allocate_pages();
    const std::uint64_t root = pte::make(kernel_root(), pte::read_write);
    expect_refused(root, MMUEXT_PIN_L1_TABLE, "an L1 with a writable mapping of the root");
    expect_refused(pte::make(Mfn{no_frame}, pte::read_only), MMUEXT_PIN_L1_TABLE,
                   "an L1 with a frame of nobody");
    expect_refused(pte::make(mfn_of(data), pte::table), MMUEXT_PIN_L2_TABLE, "an L2 over a writable page");
    expect_refused(pte::make(mfn_of(data), pte::read_write | pte::huge), MMUEXT_PIN_L2_TABLE,
                   "an L2 with a 2 MiB page");
    expect_refused(root, MMUEXT_PIN_L2_TABLE, "an L2 over a root");
    expect_refused(pte::make(mfn_of(data), pte::in_root), MMUEXT_PIN_L3_TABLE, "an L3 over a writable page");
    expect_refused(pte::make(mfn_of(data), pte::read_write | pte::huge), MMUEXT_PIN_L3_TABLE,
                   "an L3 with a 1 GiB page");
    expect_refused(pte::make(mfn_of(data), pte::in_root), pin_root, "a root over a writable page");
}
