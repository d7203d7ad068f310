// What remains of grants when either side dies, runs out of quota, or is interrupted; and the audit that
// would tell.

#include "tests/unit/grant_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

TEST_F(Grants, LenderDiesFirst) {
    lender.lend(9, borrower, page);
    machine::frame_as<char>(page)[0] = 'x';
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    lender.domain.life = control::Life::dying;
    world.machine.preempt_every = 1;
    while (relinquish_grants(lender.domain) == fail(Error::restart))
        ;
    EXPECT_EQ(audit_grants(), 0U);
    ASSERT_TRUE(frame_table().release(page, lender.domain));
    EXPECT_EQ(references(page), 1U); // the borrower's entry's
    EXPECT_EQ(borrower.domain.memory.frames_of_dead, 1U);
    borrower.domain.memory.max_frames = borrower.domain.memory.frames.count + 1;
    EXPECT_EQ(frame_table().allocate(borrower.domain), fail(Error::no_memory)) << "it counts as its own";
    EXPECT_EQ(machine::frame_as<char>(page)[0], 'x');
    while (free_grants(lender.domain) == fail(Error::restart))
        ;
    EXPECT_EQ(lender.domain.grants.frame_count, 0U);
    const auto free_before = frame_table().free_frames();
    ASSERT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_okay);
    EXPECT_EQ(frame_table().free_frames(), free_before + 1);
    EXPECT_EQ(borrower.domain.memory.frames_of_dead, 0U);
    EXPECT_TRUE(frame_table().allocate(borrower.domain));
}

TEST_F(Grants, BorrowerDiesFirst) {
    for (std::uint32_t ref = 1; ref <= 20; ++ref) {
        lender.lend(ref, borrower, page);
        ASSERT_EQ(borrower.map(lender, ref, page_at(ref)), GNTST_okay);
    }
    EXPECT_EQ(references(page), 21U);
    borrower.domain.life = control::Life::dying;
    world.machine.preempt_every = 3;
    int steps = 1;
    while (relinquish_grants(borrower.domain) == fail(Error::restart))
        ++steps;
    EXPECT_EQ(steps, 7);
    for (std::uint32_t ref = 1; ref <= 20; ++ref)
        EXPECT_EQ(flags(ref), GTF_permit_access);
    EXPECT_EQ(audit_grants(), 0U);
    drop_typed(borrower.vcpu.tables.kernel_root, borrower.domain); // its page tables go
    while (!settle(borrower.domain))
        ;
    EXPECT_EQ(references(page), 1U);
    world.machine.preempt_every = 0;
    ASSERT_TRUE(free_grants(borrower.domain));
    EXPECT_EQ(borrower.domain.memory.metadata, 1U); // its ports
}

TEST_F(Grants, TableIsBusyWhileItsOwnerMapsIt) {
    const Mfn table = lender.domain.grants.frames[0];
    ASSERT_TRUE(get_data(table, lender.domain, true));
    ASSERT_TRUE(replace_leaf(lender.vcpu.tables.kernel_root, GuestAddress{page_at(3)},
                             table.value() << page_shift | entry::present | entry::user | entry::writable));
    lender.domain.life = control::Life::dying;
    ASSERT_TRUE(relinquish_grants(lender.domain));
    EXPECT_EQ(free_grants(lender.domain), fail(Error::busy));
    ASSERT_TRUE(replace_leaf(lender.vcpu.tables.kernel_root, GuestAddress{page_at(3)}, 0));
    EXPECT_TRUE(free_grants(lender.domain));
}

TEST_F(Grants, RecordsArePaidByTheBorrower) {
    lender.lend(9, borrower, page);
    borrower.domain.memory.max_metadata = borrower.domain.memory.metadata;
    EXPECT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_no_space);
    const std::uint64_t lender_pays = lender.domain.memory.metadata;
    borrower.domain.memory.max_metadata += 2;
    for (unsigned i = 0; i < records_per_page * 2 - 1; ++i)
        ASSERT_EQ(borrower.map(lender, 9, page_at(i)), GNTST_okay) << i;
    EXPECT_EQ(borrower.map(lender, 9, page_at(0)), GNTST_no_space);
    EXPECT_EQ(lender.domain.memory.metadata, lender_pays);
    EXPECT_EQ(audit_grants(), 0U);
}

TEST_F(Grants, BatchStopsAtPreemptionPointsAndGoesOn) {
    constexpr unsigned count = 32;
    lender.lend(9, borrower, page);
    for (unsigned i = 0; i < count; ++i)
        world.put(borrower.mapping(lender, i == 7 ? 8 : 9, page_at(i), 0),
                  i * sizeof(gnttab_map_grant_ref_t));
    world.machine.preempt_every = 4;
    ASSERT_EQ(world.call<GrantTableOp>(borrower.vcpu, GNTTABOP_map_grant_ref, world.guest_base, count), 0);
    EXPECT_GE(world.restarts, 7U);
    for (unsigned i = 0; i < count; ++i) {
        const auto done = world.get<gnttab_map_grant_ref_t>(i * sizeof(gnttab_map_grant_ref_t));
        EXPECT_EQ(done.status, i == 7 ? GNTST_general_error : GNTST_okay) << i;
        EXPECT_EQ(entry::is_present(borrower.leaf(i)), i != 7) << i;
    }
    EXPECT_EQ(references(page), count); // one of its own, 31 mappings
}

TEST_F(Grants, BatchEndsAtABadPointer) {
    lender.lend(9, borrower, page);
    world.put(borrower.mapping(lender, 9, page_at(5), 0));
    world.machine.copies_allowed = 2; // one operation in and out
    EXPECT_EQ(world.call<GrantTableOp>(borrower.vcpu, GNTTABOP_map_grant_ref, world.guest_base, 2),
              fail(Error::bad_address));
    world.machine.copies_allowed = ~0ULL;
    EXPECT_EQ(references(page), 2U);
    EXPECT_EQ(world.call<GrantTableOp>(borrower.vcpu, GNTTABOP_map_grant_ref, world.guest_base, 0x8000'0000),
              fail(Error::invalid));
}

TEST_F(Grants, AuditFindsAWrongCount) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    ActiveGrant* active = find_active(lender.domain, GrantRef{9});
    ++active->readers;
    EXPECT_NE(audit_grants(), 0U);
    --active->readers;
    --active->writers;
    EXPECT_NE(audit_grants(), 0U);
    ++active->writers;
    ++active->frame;
    EXPECT_NE(audit_grants(), 0U);
    --active->frame;
    ++borrower.domain.grants.mappings;
    EXPECT_NE(audit_grants(), 0U);
    --borrower.domain.grants.mappings;
}

} // namespace
} // namespace bulkhead::hv::test
