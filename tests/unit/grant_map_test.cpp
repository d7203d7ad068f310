// Mapping and unmapping grants: who may map what, and what the lender and the frame's counts show of it.

#include "tests/unit/grant_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

TEST_F(Grants, MapAndUnmap) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    EXPECT_EQ(world.get<gnttab_map_grant_ref_t>().dev_bus_addr, page.value() << page_shift);
    const auto leaf = borrower.leaf(5);
    EXPECT_EQ(entry::frame(leaf), page);
    EXPECT_TRUE(entry::is_writable(leaf) && entry::is_present(leaf) && (leaf & entry::user) != 0);
    EXPECT_EQ(flags(9), in_use);
    EXPECT_EQ(references(page), 2U);
    ASSERT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_okay);
    EXPECT_EQ(borrower.leaf(5), 0U);
    EXPECT_EQ(flags(9), GTF_permit_access);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_bad_handle);
}

TEST_F(Grants, ReadOnlyMapping) {
    lender.lend(9, borrower, page, GTF_permit_access | GTF_readonly);
    EXPECT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_general_error);
    EXPECT_EQ(flags(9), GTF_permit_access | GTF_readonly);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5), GNTMAP_readonly), GNTST_okay);
    EXPECT_FALSE(entry::is_writable(borrower.leaf(5)));
    EXPECT_EQ(flags(9), GTF_permit_access | GTF_readonly | GTF_reading);
    ASSERT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_okay);
}

TEST_F(Grants, LightsStayOnUntilTheLastUser) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    const auto writable = borrower.handle;
    ASSERT_EQ(borrower.map(lender, 9, page_at(6), GNTMAP_readonly), GNTST_okay);
    const auto read_only = borrower.handle;
    EXPECT_EQ(audit_grants(), 0U);
    EXPECT_EQ(borrower.unmap(writable, page_at(6)), GNTST_general_error); // the other's entry
    ASSERT_EQ(borrower.unmap(writable, page_at(5)), GNTST_okay);
    EXPECT_EQ(flags(9), GTF_permit_access | GTF_reading);
    ASSERT_EQ(borrower.unmap(read_only, page_at(6)), GNTST_okay);
    EXPECT_EQ(flags(9), GTF_permit_access);
}

TEST_F(Grants, RefusedEntries) {
    const auto refused = [&](std::int64_t with, std::uint32_t ref) {
        EXPECT_EQ(borrower.map(lender, ref, page_at(5)), with) << ref;
        EXPECT_EQ(borrower.leaf(5), 0U);
    };
    refused(GNTST_general_error, 1); // invalid
    lender.lend(2, control, page);
    refused(GNTST_general_error, 2);
    lender.lend(3, borrower, page, GTF_accept_transfer);
    refused(GNTST_general_error, 3);
    lender.lend(4, borrower, page, GTF_permit_access | GTF_sub_page);
    refused(GNTST_general_error, 4);
    lender.lend(5, borrower, borrower.allocate()); // not the lender's to lend
    refused(GNTST_general_error, 5);
    lender.lend(6, borrower, Mfn{0x7fff'ffff}); // no RAM
    refused(GNTST_bad_page, 6);
    lender.lend(7, borrower, lender.l1); // a page table is not writable by anybody
    refused(GNTST_general_error, 7);
    lender.lend(8, borrower, lender.domain.grants.frames[0]); // the hypervisor's page
    refused(GNTST_bad_page, 8);
    lender.lend(10, borrower, lender.domain.shared_frame);
    refused(GNTST_bad_page, 10);
    refused(GNTST_bad_gntref, grants_per_frame);
    refused(GNTST_bad_gntref, ~0U);
    for (std::uint32_t ref = 1; ref < 11; ++ref)
        EXPECT_EQ(flags(ref) & (GTF_reading | GTF_writing), 0) << ref;
    EXPECT_EQ(borrower.domain.grants.mappings, 0U);
}

TEST_F(Grants, RefusedRequests) {
    lender.lend(9, borrower, page);
    EXPECT_EQ(borrower.map(lender, 9, std::uint64_t{1} << 40), GNTST_general_error); // no L1 there
    EXPECT_EQ(borrower.map(lender, 9, 0xffff'8000'0000'0000), GNTST_general_error);
    EXPECT_EQ(borrower.map(lender, 9, 0x8000'0000'0000'0000), GNTST_general_error);
    auto operation = borrower.mapping(lender, 9, page_at(5), 0);
    operation.dom = 77;
    EXPECT_EQ(borrower.status(GNTTABOP_map_grant_ref, operation), GNTST_bad_domain);
    operation = borrower.mapping(lender, 9, page_at(5), 0);
    operation.flags = GNTMAP_readonly;
    EXPECT_EQ(borrower.status(GNTTABOP_map_grant_ref, operation), GNTST_bad_gntref);
    operation.flags = GNTMAP_host_map | 1 << 7;
    EXPECT_EQ(borrower.status(GNTTABOP_map_grant_ref, operation), GNTST_bad_gntref);
    lender.domain.life = control::Life::dying;
    EXPECT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_bad_domain);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(flags(9), GTF_permit_access);
}

TEST_F(Grants, TheFrameOfTheFirstUseCounts) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    const auto first = borrower.handle;
    const Mfn other = lender.allocate();
    lender.lend(9, borrower, other); // while in use, and with the lights out
    ASSERT_EQ(borrower.map(lender, 9, page_at(6)), GNTST_okay);
    EXPECT_EQ(entry::frame(borrower.leaf(6)), page);
    lender.lend(9, control, other);
    EXPECT_EQ(control.map(lender, 9, page_at(5)), GNTST_general_error);
    ASSERT_EQ(borrower.unmap(first, page_at(5)), GNTST_okay);
    ASSERT_EQ(borrower.unmap(borrower.handle, page_at(6)), GNTST_okay);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(references(other), 1U);
    ASSERT_EQ(control.map(lender, 9, page_at(5)), GNTST_okay);
    EXPECT_EQ(entry::frame(control.leaf(5)), other);
}

TEST_F(Grants, UnmapChecksTheEntry) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(6)), GNTST_general_error);
    EXPECT_EQ(borrower.unmap(borrower.handle, 0), GNTST_okay); // nothing to do
    EXPECT_NE(borrower.leaf(5), 0U);
    EXPECT_EQ(borrower.unmap(borrower.handle, ~0ULL), GNTST_general_error);
    EXPECT_EQ(borrower.unmap(0, page_at(5)), GNTST_bad_handle);
    EXPECT_EQ(borrower.unmap(borrower.handle + 1, page_at(5)), GNTST_bad_handle);
    EXPECT_EQ(borrower.unmap(~0U, page_at(5)), GNTST_bad_handle);
    EXPECT_EQ(lender.unmap(borrower.handle, page_at(5)), GNTST_bad_handle); // somebody else's
    EXPECT_EQ(flags(9), in_use);
    EXPECT_EQ(references(page), 2U);
}

TEST_F(Grants, EntryOverwrittenByTheGuestKeepsTheCountsRight) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    ASSERT_TRUE(replace_leaf(borrower.vcpu.tables.kernel_root, GuestAddress{page_at(5)},
                             0)); // not through the grant call
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_general_error);
    EXPECT_EQ(flags(9), in_use); // its own record still says so
    EXPECT_EQ(audit_grants(), 0U);
    borrower.domain.life = control::Life::dying;
    ASSERT_TRUE(relinquish_grants(borrower.domain));
    EXPECT_EQ(flags(9), GTF_permit_access);
}

TEST_F(Grants, MappingReplacesWhatWasThere) {
    const Mfn own = borrower.allocate();
    ASSERT_TRUE(get_data(own, borrower.domain, true));
    ASSERT_TRUE(replace_leaf(borrower.vcpu.tables.kernel_root, GuestAddress{page_at(5)},
                             own.value() << page_shift | entry::present | entry::user | entry::writable));
    EXPECT_EQ(references(own), 2U);
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    EXPECT_EQ(references(own), 1U);
}

TEST_F(Grants, MappingThroughAnEntrysAddress) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, borrower.entry_address(7), GNTMAP_contains_pte), GNTST_okay);
    EXPECT_EQ(entry::frame(borrower.leaf(7)), page);
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(7)), GNTST_general_error);
    ASSERT_EQ(borrower.unmap(borrower.handle, borrower.entry_address(7)), GNTST_okay);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(borrower.map(lender, 9, lender.entry_address(7), GNTMAP_contains_pte), GNTST_general_error);
    EXPECT_EQ(borrower.map(lender, 9, borrower.entry_address(7) + 4, GNTMAP_contains_pte),
              GNTST_general_error);
    EXPECT_EQ(
        borrower.map(lender, 9, borrower.vcpu.tables.kernel_root.value() << page_shift, GNTMAP_contains_pte),
        GNTST_general_error); // not a table of leaves
    EXPECT_EQ(borrower.map(lender, 9, borrower.allocate().value() << page_shift, GNTMAP_contains_pte),
              GNTST_general_error);
    EXPECT_EQ(borrower.map(lender, 9, ~7ULL, GNTMAP_contains_pte), GNTST_general_error);
}

TEST_F(Grants, AvailableBitsReachTheEntry) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5), 5U << 16), GNTST_okay);
    EXPECT_EQ(borrower.leaf(5) >> 9 & 7, 5U);
}

TEST_F(Grants, UnmapAndReplaceMovesTheCallersPage) {
    const Mfn own = borrower.allocate();
    ASSERT_TRUE(get_data(own, borrower.domain, true));
    ASSERT_TRUE(replace_leaf(borrower.vcpu.tables.kernel_root, GuestAddress{page_at(8)},
                             own.value() << page_shift | entry::present | entry::user | entry::writable));
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    gnttab_unmap_and_replace_t operation{
        .host_addr = page_at(5), .new_addr = page_at(30), .handle = borrower.handle, .status = 0};
    EXPECT_EQ(borrower.status(GNTTABOP_unmap_and_replace, operation), GNTST_general_error); // nothing there
    operation.new_addr = page_at(5);
    EXPECT_EQ(borrower.status(GNTTABOP_unmap_and_replace, operation), GNTST_general_error);
    operation.new_addr = page_at(8);
    ASSERT_EQ(borrower.status(GNTTABOP_unmap_and_replace, operation), GNTST_okay);
    EXPECT_EQ(entry::frame(borrower.leaf(5)), own);
    EXPECT_EQ(borrower.leaf(8), 0U);
    EXPECT_EQ(references(own), 2U);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(flags(9), GTF_permit_access);
}

} // namespace
} // namespace bulkhead::hv::test
