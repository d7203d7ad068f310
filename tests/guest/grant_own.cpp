// Grants to oneself: a lent page is mapped, written through the mapping, counted as in use, unmapped and
// ended. A read-only grant gives no writable mapping.
#include "guest/runtime/grants.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/own_domain.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(grant_own, "a page lent to oneself can be mapped, used and taken back") {
    Page* const page = allocate_pages();
    auto& word = *reinterpret_cast<volatile std::uint64_t*>(page);
    word = 0x1234;
    const DomainId self = own_domain();
    const GrantRef ref = works(grants::lend(page, self), "lending a page");
    const auto mapping = grants::map(self, ref);
    works(mapping, "mapping the grant");
    auto& seen = *reinterpret_cast<volatile std::uint64_t*>(mapping->page);
    check(seen == 0x1234, "the mapping shows {x}", seen);
    seen = 0x5678;
    check(word == 0x5678, "a write through the mapping is lost");
    check(!grants::end(ref), "the grant could be ended while it was mapped");
    works(grants::unmap(*mapping), "unmapping");
    check(!traps::read_guarded(hypercall::address(mapping->page)), "the page is still mapped");
    refused(grants::unmap(*mapping), "unmapping twice");
    check(grants::end(ref), "the grant cannot be ended after its unmapping");
    refused(grants::map(self, ref), "mapping an ended grant");

    const GrantRef read_only =
        works(grants::lend(page, self, grants::Access::read_only), "lending read-only");
    refused(grants::map(self, read_only, grants::Access::read_write),
            "a writable mapping of a read-only grant");
    const auto reading =
        works(grants::map(self, read_only, grants::Access::read_only), "mapping it read-only");
    check(!traps::write_guarded(hypercall::address(reading.page), 0), "a read-only mapping can be written");
    works(grants::unmap(reading), "unmapping it");
    check(grants::end(read_only), "ending it");
    free_pages(page);
}
