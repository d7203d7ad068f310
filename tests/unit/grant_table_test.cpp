// Copies between frames and grants, and the grant table itself: its size, its version, its entries.

#include "tests/unit/grant_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

class GrantCopies : public Grants {
  protected:
    Mfn own = borrower.allocate();
    gnttab_copy_t operation{};

    GrantCopies() {
        for (unsigned i = 0; i < page_bytes; ++i)
            machine::frame_as<unsigned char>(page)[i] = static_cast<unsigned char>(i % 251);
        operation.source.u.ref = 9;
        operation.source.domid = lender.domain.id.value();
        operation.source.offset = 10;
        operation.dest.u.gmfn = own.value();
        operation.dest.domid = DOMID_SELF;
        operation.dest.offset = 4000;
        operation.len = 96;
        operation.flags = GNTCOPY_source_gref;
        lender.lend(9, borrower, page, GTF_permit_access | GTF_readonly);
    }
    std::int64_t copy() { return borrower.status(GNTTABOP_copy, operation); }
};

TEST_F(GrantCopies, FromAGrantToAnOwnFrame) {
    ASSERT_EQ(copy(), GNTST_okay);
    EXPECT_EQ(std::memcmp(machine::frame_as<char>(own) + 4000, machine::frame_as<char>(page) + 10, 96), 0);
    EXPECT_EQ(machine::frame_as<char>(own)[3999], 0);
    EXPECT_EQ(flags(9), GTF_permit_access | GTF_readonly);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(references(own), 1U);
    EXPECT_EQ(frame_table().find(own)->type_references(), 0U);
}

TEST_F(GrantCopies, IntoAGrantOnlyIfWritable) {
    std::swap(operation.source, operation.dest);
    operation.flags = GNTCOPY_dest_gref;
    machine::frame_as<char>(own)[4000] = 'w';
    EXPECT_EQ(copy(), GNTST_general_error);
    lender.lend(9, borrower, page);
    ASSERT_EQ(copy(), GNTST_okay);
    EXPECT_EQ(machine::frame_as<char>(page)[10], 'w');
    lender.lend(9, borrower, lender.l1);
    EXPECT_EQ(copy(), GNTST_general_error);
    EXPECT_EQ(flags(9), GTF_permit_access);
}

TEST_F(GrantCopies, Bounds) {
    operation.len = 97;
    EXPECT_EQ(copy(), GNTST_bad_copy_arg);
    operation.len = 96;
    operation.source.offset = 4001;
    EXPECT_EQ(copy(), GNTST_bad_copy_arg);
    operation.source.offset = operation.dest.offset = operation.len = 0xffff;
    EXPECT_EQ(copy(), GNTST_bad_copy_arg);
    operation.source.offset = operation.dest.offset = page_bytes;
    operation.len = 0;
    EXPECT_EQ(copy(), GNTST_okay);
    operation.flags = 4;
    EXPECT_EQ(copy(), GNTST_general_error);
}

TEST_F(GrantCopies, ForeignFramesByNumberNeedPrivilege) {
    operation.source.u.gmfn = page.value();
    operation.flags = 0;
    EXPECT_EQ(copy(), GNTST_permission_denied);
    operation.source.domid = DOMID_SELF;
    EXPECT_EQ(copy(), GNTST_bad_page); // not its own
    operation.source.domid = lender.domain.id.value();
    operation.dest.u.gmfn = control.allocate().value();
    EXPECT_EQ(control.status(GNTTABOP_copy, operation), GNTST_okay);
}

TEST_F(GrantCopies, WithinOneFrame) {
    operation.source.u.gmfn = own.value();
    operation.source.domid = DOMID_SELF;
    operation.source.offset = 0;
    operation.dest.offset = 1;
    operation.len = 5;
    operation.flags = 0;
    std::memcpy(machine::frame_as<char>(own), "abcde", 6);
    ASSERT_EQ(copy(), GNTST_okay);
    EXPECT_STREQ(machine::frame_as<char>(own), "aabcde");
}

class GrantTables : public Grants {
  protected:
    gnttab_setup_table_t setup(std::uint32_t frames, std::uint64_t list) {
        gnttab_setup_table_t operation{};
        operation.dom = DOMID_SELF;
        operation.nr_frames = frames;
        operation.frame_list.p = reinterpret_cast<xen_pfn_t*>(list);
        return operation;
    }
};

TEST_F(GrantTables, GrowsAndListsItsFrames) {
    const std::uint64_t list = world.guest_base + 4096;
    world.machine.preempt_every = 1;
    ASSERT_EQ(lender.status(GNTTABOP_setup_table, setup(5, list)), GNTST_okay);
    EXPECT_EQ(world.restarts, 3U); // between its four new frames
    for (unsigned i = 0; i < 5; ++i) {
        const Mfn frame{world.get<std::uint64_t>(4096 + 8 * i)};
        EXPECT_EQ(frame, lender.domain.grants.frames[i]);
        EXPECT_TRUE(frame_table().find(frame)->shared);
        EXPECT_EQ(frame_table().find(frame)->owner.load(), Owner{lender.domain.id});
    }
    ASSERT_EQ(lender.status(GNTTABOP_setup_table, setup(2, list)), GNTST_okay);
    EXPECT_EQ(lender.domain.grants.frame_count, 5U);
    lender.lend(5 * grants_per_frame - 1, borrower, page);
    EXPECT_EQ(borrower.map(lender, 5 * grants_per_frame - 1, page_at(1)), GNTST_okay);
    gnttab_query_size_t query{};
    query.dom = DOMID_SELF;
    ASSERT_EQ(lender.status(GNTTABOP_query_size, query), GNTST_okay);
    EXPECT_EQ(world.get<gnttab_query_size_t>().nr_frames, 5U);
    EXPECT_EQ(world.get<gnttab_query_size_t>().max_nr_frames, max_grant_frames);
}

TEST_F(GrantTables, Limits) {
    EXPECT_EQ(lender.status(GNTTABOP_setup_table, setup(max_grant_frames + 1, world.guest_base)),
              GNTST_general_error);
    EXPECT_EQ(world.call<GrantTableOp>(lender.vcpu, GNTTABOP_setup_table, world.put(setup(1, 0)), 1),
              fail(Error::bad_address));
    auto foreign = setup(1, world.guest_base + 4096);
    foreign.dom = lender.domain.id.value();
    EXPECT_EQ(borrower.status(GNTTABOP_setup_table, foreign), GNTST_permission_denied);
    EXPECT_EQ(control.status(GNTTABOP_setup_table, foreign), GNTST_okay);
    lender.domain.memory.max_metadata = lender.domain.memory.metadata + 5; // not enough for two more
    EXPECT_EQ(lender.status(GNTTABOP_setup_table, setup(3, world.guest_base + 4096)), GNTST_no_space);
    EXPECT_EQ(lender.domain.grants.frame_count, 2U);
    EXPECT_EQ(lender.domain.memory.metadata,
              lender.domain.memory.max_metadata - 2); // the half made frame was undone
}

TEST_F(GrantTables, Versions) {
    const auto call = [&](std::uint32_t command) {
        return world.call<GrantTableOp>(lender.vcpu, command, world.guest_base, 1);
    };
    world.put(gnttab_set_version_t{1});
    EXPECT_EQ(call(GNTTABOP_set_version), 0);
    world.put(gnttab_set_version_t{2});
    EXPECT_EQ(call(GNTTABOP_set_version), fail(Error::not_implemented));
    world.put(gnttab_set_version_t{3});
    EXPECT_EQ(call(GNTTABOP_set_version), fail(Error::invalid));
    world.put(gnttab_get_version_t{.dom = DOMID_SELF, .pad = 0, .version = 9});
    EXPECT_EQ(call(GNTTABOP_get_version), 0);
    EXPECT_EQ(world.get<gnttab_get_version_t>().version, 1U);
    EXPECT_EQ(call(GNTTABOP_transfer), fail(Error::not_supported));
    EXPECT_EQ(call(GNTTABOP_cache_flush), fail(Error::not_supported));
    EXPECT_EQ(call(GNTTABOP_get_status_frames), fail(Error::not_implemented));
    EXPECT_EQ(call(GNTTABOP_dump_table), fail(Error::not_implemented));
    EXPECT_EQ(call(77), fail(Error::not_implemented));
    EXPECT_EQ(world.call<GrantTableOp>(lender.vcpu, GNTTABOP_query_size, world.guest_base, 2),
              fail(Error::invalid));
}

TEST_F(GrantTables, SwapExchangesIdleEntries) {
    lender.lend(1, borrower, page);
    lender.lend(2, control, Mfn{123}, GTF_accept_transfer);
    gnttab_swap_grant_ref_t operation{.ref_a = 1, .ref_b = 2, .status = 0};
    ASSERT_EQ(lender.status(GNTTABOP_swap_grant_ref, operation), GNTST_okay);
    EXPECT_EQ(lender.entry(2).frame, page.value());
    EXPECT_EQ(lender.entry(1).frame, 123U);
    EXPECT_EQ(lender.entry(1).domid, control.domain.id.value());
    ASSERT_EQ(borrower.map(lender, 2, page_at(5)), GNTST_okay);
    EXPECT_EQ(lender.status(GNTTABOP_swap_grant_ref, operation), GNTST_eagain);
    operation.ref_b = grants_per_frame;
    EXPECT_EQ(lender.status(GNTTABOP_swap_grant_ref, operation), GNTST_bad_gntref);
}

} // namespace
} // namespace bulkhead::hv::test
