// Grants over the real frame table and paging: who may map what, what keeps a frame alive, and what remains
// afterwards.

#include "hv/core/calls_grant.hpp"
#include "hv/core/grant_map.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/paging.hpp"
#include "tests/unit/event_world.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv::test {
namespace {

constexpr std::uint64_t page_at(unsigned i) { return std::uint64_t{i} * page_bytes; }

// A domain with an address space: one L1 that covers addresses 0 to 2 MiB.
struct Guest {
    explicit Guest(World& in, const char* name, bool privileged = false)
        : world{in}, domain{in.add_domain(name, 1, privileged)}, vcpu{*domain.vcpus[0]} {
        const Mfn tables[] = {allocate(), allocate(), allocate(), allocate()};
        for (int level = 0; level < 3; ++level)
            machine::frame_as<std::uint64_t>(tables[level])[0] = tables[level + 1].value() << page_shift | 7;
        EXPECT_TRUE(get_typed(tables[0], FrameType::l4, domain));
        vcpu.kernel_root = tables[0];
        l1 = tables[3];
    }

    Mfn allocate() { return *frame_table().allocate(domain); }
    std::uint64_t leaf(unsigned page) const { return machine::frame_as<std::uint64_t>(l1)[page]; }
    std::uint64_t entry_address(unsigned page) const { return (l1.value() << page_shift) + page * 8; }

    grant_entry_v1_t& entry(std::uint32_t ref) const {
        return machine::frame_as<grant_entry_v1_t>(
            domain.grants.frames[ref / grants_per_frame])[ref % grants_per_frame];
    }
    void lend(std::uint32_t ref, const Guest& to, Mfn frame, unsigned flags = GTF_permit_access) const {
        entry(ref) = {.flags = static_cast<std::uint16_t>(flags),
                      .domid = to.domain.id.value(),
                      .frame = static_cast<std::uint32_t>(frame.value())};
    }

    std::int64_t status(std::uint32_t command, auto operation) {
        EXPECT_EQ(world.call<GrantTableOp>(vcpu, command, world.put(operation), 1), 0);
        return world.get<decltype(operation)>().status;
    }
    gnttab_map_grant_ref_t mapping(const Guest& of, std::uint32_t ref, std::uint64_t address,
                                   unsigned flags) {
        return {.host_addr = address,
                .flags = flags | GNTMAP_host_map,
                .ref = ref,
                .dom = of.domain.id.value(),
                .status = 0,
                .handle = 0,
                .dev_bus_addr = 0};
    }
    std::int64_t map(const Guest& of, std::uint32_t ref, std::uint64_t address, unsigned flags = 0) {
        const auto result = status(GNTTABOP_map_grant_ref, mapping(of, ref, address, flags));
        handle = world.get<gnttab_map_grant_ref_t>().handle;
        return result;
    }
    std::int64_t unmap(grant_handle_t of, std::uint64_t address) {
        return status(
            GNTTABOP_unmap_grant_ref,
            gnttab_unmap_grant_ref_t{.host_addr = address, .dev_bus_addr = 0, .handle = of, .status = 0});
    }

    World& world;
    Domain& domain;
    Vcpu& vcpu;
    Mfn l1;
    grant_handle_t handle = 0; // of the last mapping
};

class Grants : public testing::Test {
  protected:
    World world{2048};
    Guest control{world, "control", true};
    Guest lender{world, "lender"};
    Guest borrower{world, "borrower"};
    Mfn page = lender.allocate();

    Grants() { EXPECT_TRUE(start_grants(lender.domain)); }
    ~Grants() override { EXPECT_EQ(audit_grants(), 0U); }

    std::uint32_t references(Mfn frame) { return frame_table().find(frame)->references; }
    std::uint16_t flags(std::uint32_t ref) { return lender.entry(ref).flags; }
};

constexpr std::uint16_t in_use = GTF_permit_access | GTF_reading | GTF_writing;

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
    EXPECT_EQ(borrower.unmap(writable, page_at(6)), GNTST_bad_virt_addr); // the other's entry
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
    refused(GNTST_bad_page, 5);
    lender.lend(6, borrower, Mfn{0x7fff'ffff}); // no RAM
    refused(GNTST_bad_page, 6);
    lender.lend(7, borrower, lender.l1); // a page table is not writable by anybody
    refused(GNTST_bad_page, 7);
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
    EXPECT_EQ(borrower.map(lender, 9, std::uint64_t{1} << 40), GNTST_bad_virt_addr); // no L1 there
    EXPECT_EQ(borrower.map(lender, 9, 0xffff'8000'0000'0000), GNTST_bad_virt_addr);
    EXPECT_EQ(borrower.map(lender, 9, 0x8000'0000'0000'0000), GNTST_bad_virt_addr);
    auto operation = borrower.mapping(lender, 9, page_at(5), 0);
    operation.dom = 77;
    EXPECT_EQ(borrower.status(GNTTABOP_map_grant_ref, operation), GNTST_bad_domain);
    operation = borrower.mapping(lender, 9, page_at(5), 0);
    operation.flags = GNTMAP_device_map;
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
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(6)), GNTST_bad_virt_addr);
    EXPECT_EQ(borrower.unmap(borrower.handle, 0), GNTST_bad_virt_addr);
    EXPECT_EQ(borrower.unmap(borrower.handle, ~0ULL), GNTST_bad_virt_addr);
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
    ASSERT_TRUE(
        replace_leaf(borrower.vcpu.kernel_root, GuestAddress{page_at(5)}, 0)); // not through the grant call
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_bad_virt_addr);
    EXPECT_EQ(flags(9), in_use); // its own record still says so
    EXPECT_EQ(audit_grants(), 0U);
    borrower.domain.life = control::Life::dying;
    ASSERT_TRUE(relinquish_grants(borrower.domain));
    EXPECT_EQ(flags(9), GTF_permit_access);
}

TEST_F(Grants, MappingReplacesWhatWasThere) {
    const Mfn own = borrower.allocate();
    ASSERT_TRUE(get_data(own, borrower.domain, true));
    ASSERT_TRUE(replace_leaf(borrower.vcpu.kernel_root, GuestAddress{page_at(5)},
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
    EXPECT_EQ(borrower.unmap(borrower.handle, page_at(7)), GNTST_bad_virt_addr);
    ASSERT_EQ(borrower.unmap(borrower.handle, borrower.entry_address(7)), GNTST_okay);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(borrower.map(lender, 9, lender.entry_address(7), GNTMAP_contains_pte), GNTST_bad_virt_addr);
    EXPECT_EQ(borrower.map(lender, 9, borrower.entry_address(7) + 4, GNTMAP_contains_pte),
              GNTST_bad_virt_addr);
    EXPECT_EQ(borrower.map(lender, 9, borrower.vcpu.kernel_root.value() << page_shift, GNTMAP_contains_pte),
              GNTST_bad_virt_addr); // not a table of leaves
    EXPECT_EQ(borrower.map(lender, 9, borrower.allocate().value() << page_shift, GNTMAP_contains_pte),
              GNTST_bad_virt_addr);
    EXPECT_EQ(borrower.map(lender, 9, ~7ULL, GNTMAP_contains_pte), GNTST_bad_virt_addr);
}

TEST_F(Grants, AvailableBitsReachTheEntry) {
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5), 5U << 16), GNTST_okay);
    EXPECT_EQ(borrower.leaf(5) >> 9 & 7, 5U);
}

TEST_F(Grants, UnmapAndReplaceMovesTheCallersPage) {
    const Mfn own = borrower.allocate();
    ASSERT_TRUE(get_data(own, borrower.domain, true));
    ASSERT_TRUE(replace_leaf(borrower.vcpu.kernel_root, GuestAddress{page_at(8)},
                             own.value() << page_shift | entry::present | entry::user | entry::writable));
    lender.lend(9, borrower, page);
    ASSERT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_okay);
    gnttab_unmap_and_replace_t operation{
        .host_addr = page_at(5), .new_addr = page_at(30), .handle = borrower.handle, .status = 0};
    EXPECT_EQ(borrower.status(GNTTABOP_unmap_and_replace, operation), GNTST_bad_virt_addr); // nothing there
    operation.new_addr = page_at(5);
    EXPECT_EQ(borrower.status(GNTTABOP_unmap_and_replace, operation), GNTST_bad_virt_addr);
    operation.new_addr = page_at(8);
    ASSERT_EQ(borrower.status(GNTTABOP_unmap_and_replace, operation), GNTST_okay);
    EXPECT_EQ(entry::frame(borrower.leaf(5)), own);
    EXPECT_EQ(borrower.leaf(8), 0U);
    EXPECT_EQ(references(own), 2U);
    EXPECT_EQ(references(page), 1U);
    EXPECT_EQ(flags(9), GTF_permit_access);
}

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
    EXPECT_EQ(machine::frame_as<char>(page)[0], 'x');
    while (free_grants(lender.domain) == fail(Error::restart))
        ;
    EXPECT_EQ(lender.domain.grants.frame_count, 0U);
    const auto free_before = frame_table().free_frames();
    ASSERT_EQ(borrower.unmap(borrower.handle, page_at(5)), GNTST_okay);
    EXPECT_EQ(frame_table().free_frames(), free_before + 1);
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
    ASSERT_TRUE(put_typed(borrower.vcpu.kernel_root, false)); // its page tables go
    EXPECT_EQ(references(page), 1U);
    world.machine.preempt_every = 0;
    ASSERT_TRUE(free_grants(borrower.domain));
    EXPECT_EQ(borrower.domain.metadata, 1U); // its ports
}

TEST_F(Grants, TableIsBusyWhileItsOwnerMapsIt) {
    const Mfn table = lender.domain.grants.frames[0];
    ASSERT_TRUE(get_data(table, lender.domain, true));
    ASSERT_TRUE(replace_leaf(lender.vcpu.kernel_root, GuestAddress{page_at(3)},
                             table.value() << page_shift | entry::present | entry::user | entry::writable));
    lender.domain.life = control::Life::dying;
    ASSERT_TRUE(relinquish_grants(lender.domain));
    EXPECT_EQ(free_grants(lender.domain), fail(Error::busy));
    ASSERT_TRUE(replace_leaf(lender.vcpu.kernel_root, GuestAddress{page_at(3)}, 0));
    EXPECT_TRUE(free_grants(lender.domain));
}

TEST_F(Grants, RecordsArePaidByTheBorrower) {
    lender.lend(9, borrower, page);
    borrower.domain.max_metadata = borrower.domain.metadata;
    EXPECT_EQ(borrower.map(lender, 9, page_at(5)), GNTST_no_space);
    const auto lender_pays = lender.domain.metadata;
    borrower.domain.max_metadata += 2;
    for (unsigned i = 0; i < records_per_page * 2 - 1; ++i)
        ASSERT_EQ(borrower.map(lender, 9, page_at(i)), GNTST_okay) << i;
    EXPECT_EQ(borrower.map(lender, 9, page_at(0)), GNTST_no_space);
    EXPECT_EQ(lender.domain.metadata, lender_pays);
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
    EXPECT_EQ(frame_table().find(own)->type_references, 0U);
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
    EXPECT_EQ(copy(), GNTST_bad_page);
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
        EXPECT_EQ(frame_table().find(frame)->owner, lender.domain.id.value());
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
    lender.domain.max_metadata = lender.domain.metadata + 5; // not enough for two more
    EXPECT_EQ(lender.status(GNTTABOP_setup_table, setup(3, world.guest_base + 4096)), GNTST_no_space);
    EXPECT_EQ(lender.domain.grants.frame_count, 2U);
    EXPECT_EQ(lender.domain.metadata, lender.domain.max_metadata - 2); // the half made frame was undone
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
