// Tables of each level are pinned, used and unpinned. A frame with a writable mapping cannot become a table,
// a pinned table cannot be mapped writable, pinning twice and unpinning what is not pinned are refused.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constexpr std::size_t levels = root_level;

static void link(Page* tables, std::size_t level) {
    const std::uint64_t flags = level + 1 == levels ? pte::in_root : pte::table;
    *reinterpret_cast<std::uint64_t*>(tables + level) = pte::make(mfn_of(tables + level - 1), flags);
}

GUEST_TEST(pin_levels, "page tables of every level can be pinned and unpinned, under the rules") {
    Page* const tables = allocate_pages(levels);
    Page* const data = allocate_pages();
    constexpr std::array<unsigned, 4> pin{MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
                                          MMUEXT_PIN_L4_TABLE};
    refused(hypercall::mmuext(pin[0], mfn_of(tables).value()), "pinning a frame that has a writable mapping");
    reinterpret_cast<std::uint64_t*>(tables)[3] = pte::make(mfn_of(data), pte::read_write);
    for (std::size_t level = 1; level < levels; ++level)
        link(tables, level);
    for (std::size_t level = 0; level < levels; ++level)
        works(protect(tables + level, pte::read_only), "making a table read-only");

    for (std::size_t level = 0; level < levels; ++level) {
        const std::uint64_t mfn = mfn_of(tables + level).value();
        works(hypercall::mmuext(pin[level], mfn), "pinning");
        refused(hypercall::mmuext(pin[level], mfn), "pinning twice");
        refused(hypercall::mmuext(pin[(level + 1) % levels], mfn), "pinning as another level");
        refused(protect(tables + level, pte::read_write), "a writable mapping of a pinned table");
        works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn), "unpinning");
        refused(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn), "unpinning twice");
    }
    works(hypercall::mmuext(pin_root, mfn_of(tables + levels - 1).value()), "pinning the whole tree");
    refused(protect(tables, pte::read_write), "a writable mapping of an L1 in a pinned tree");
    works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(tables + levels - 1).value()), "unpinning the tree");
    for (std::size_t level = 0; level < levels; ++level)
        works(protect(tables + level, pte::read_write), "writing to a table that is none any more");

    refused(hypercall::mmuext(pin[0], no_frame), "pinning a frame beyond memory");
    refused(hypercall::mmuext(999), Error::no_such_call, "an unknown operation");
    free_pages(tables, levels);
    free_pages(data);
}
