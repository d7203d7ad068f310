// The paging hypercalls as guests make them, rightly and wrongly.
#include "hv/mm/walk.hpp"
#include "tests/unit/mm_fixture.hpp"

namespace bulkhead::hv::host {

class CallTest : public MemoryTest {
  protected:
    CallTest() : space{make_space(guest)}, data{page(guest)} {
        words(space.l1)[0] = writable_entry(data);
        run_on(guest, space);
    }
    HypercallResult map(std::uint64_t at, std::uint64_t value, std::uint64_t flags = 0) {
        return call<UpdateVaMapping>(guest, {at, value, flags});
    }
    Space space;
    Mfn data;
};

TEST_F(CallTest, UpdateVaMapping) {
    const auto other = page(guest);
    ASSERT_TRUE(map(Space::base + 7 * page_bytes, writable_entry(other)));
    EXPECT_EQ(words(space.l1)[7], writable_entry(other));
    EXPECT_EQ(frame(other).type_references(), 1U);
    ASSERT_TRUE(map(Space::base + 7 * page_bytes, readonly_entry(other), UVMF_INVLPG));
    EXPECT_EQ(world.machine.page_flushes, 1U);
    EXPECT_EQ(frame(other).type_references(), 0U);
    const auto flushes = world.machine.flushes;
    ASSERT_TRUE(map(Space::base + 7 * page_bytes, 0, UVMF_TLB_FLUSH | UVMF_ALL));
    EXPECT_EQ(world.machine.flushes, flushes + 1);
    EXPECT_EQ(frame(other).references(), 1U);
}

TEST_F(CallTest, UpdateVaMappingFlushesTheVcpusOfAMask) {
    alignas(8) const std::uint64_t everyone = ~0ULL;
    alignas(8) const std::uint64_t nobody_at_all = 0;
    ASSERT_TRUE(map(Space::base, 0, UVMF_INVLPG | address(&everyone)));
    ASSERT_TRUE(map(Space::base, 0, UVMF_TLB_FLUSH | address(&nobody_at_all)));
    expect_error(map(Space::base, 0, UVMF_TLB_FLUSH | 0xffff800000000000), Error::bad_address);
    expect_error(map(Space::base, 0, 3), Error::invalid);
}

TEST_F(CallTest, UpdateVaMappingWhereNothingIs) {
    for (const std::uint64_t at : {0x0ULL, 0x7fffffffffffULL, 0x800000000000ULL, 0xffff800000000000ULL,
                                   0xffff87ffffffffffULL, 0xffff880000000000ULL, ~0ULL})
        expect_error(map(at, writable_entry(data)), Error::invalid);
    guest.vcpus[0]->tables.kernel_root = {};
    expect_error(map(Space::base, 0), Error::invalid);
    guest.vcpus[0]->tables.kernel_root = space.l4;
}

TEST_F(CallTest, FlagsAloneChangeNoReference) {
    const auto before = frame(data).references();
    ASSERT_TRUE(update(guest, space.l1, 0, writable_entry(data) | entry::dirty | entry::accessed));
    EXPECT_EQ(frame(data).references(), before);
    ASSERT_TRUE(update(guest, space.l1, 0, writable_entry(data)));
    EXPECT_EQ(words(space.l1)[0], writable_entry(data));
    words(space.l1)[0] |= entry::dirty; // the processor
    ASSERT_TRUE(update(guest, space.l1, 0, readonly_entry(data), MMU_PT_UPDATE_PRESERVE_AD));
    EXPECT_EQ(words(space.l1)[0], readonly_entry(data) | entry::dirty);
    EXPECT_EQ(frame(data).type_references(), 0U);
}

TEST_F(CallTest, BatchesCountWhatIsDone) {
    const auto at = space.l1.value() << page_shift;
    const mmu_update_t requests[] = {{.ptr = at | 8, .val = readonly_entry(data)},
                                     {.ptr = at | 16, .val = readonly_entry(data)},
                                     {.ptr = at | 24, .val = writable_entry(space.l2)},
                                     {.ptr = at | 32, .val = readonly_entry(data)}};
    std::uint32_t done = 7;
    expect_error(call<MmuUpdate>(guest, {address(requests), 4, address(&done), DOMID_SELF}), Error::busy);
    EXPECT_EQ(done, 2U);
    EXPECT_EQ(words(space.l1)[2], readonly_entry(data));
    EXPECT_EQ(words(space.l1)[4], 0U);
}

TEST_F(CallTest, BatchesAreContinuedWithTheirCountSummedUp) {
    std::vector<mmu_update_t> requests;
    for (unsigned i = 0; i < 512; ++i)
        requests.push_back({.ptr = space.l1.value() << page_shift | i * 8, .val = readonly_entry(data)});
    world.machine.preempt_every = 1;
    std::uint32_t done = 0;
    int parts = 0;
    ASSERT_TRUE(call<MmuUpdate>(guest, {address(requests.data()), 512, address(&done), DOMID_SELF},
                                [&] { ++parts; }));
    EXPECT_EQ(done, 512U);
    EXPECT_EQ(parts, 64);
    EXPECT_EQ(frame(data).references(), 513U);
}

TEST_F(CallTest, HugeCountsEndAtTheFirstBadRequest) {
    const mmu_update_t request{.ptr = ~0ULL, .val = 0};
    std::uint32_t done = 7;
    expect_error(call<MmuUpdate>(guest, {address(&request), ~0U, address(&done), DOMID_SELF}),
                 Error::invalid);
    EXPECT_EQ(done, 0U + 7U); // the continuation's bit was set: the count goes on from where it was
    expect_error(call<MmuUpdate>(guest, {0xffff800000000000, 0x7fffffff, 0, DOMID_SELF}), Error::bad_address);
    expect_error(call<MmuextOp>(guest, {8, 0x7fffffff, 0, DOMID_SELF}), Error::bad_address);
    EXPECT_TRUE(call<MmuUpdate>(guest, {0, 0, 0, DOMID_SELF}));
}

TEST_F(CallTest, MisalignedAndForeignTablesAreRefused) {
    const auto foreign = page(dom0);
    expect_error(update(guest, foreign, 0, 0), Error::invalid);
    const mmu_update_t request{.ptr = (space.l1.value() << page_shift) + 4, .val = 0};
    expect_error(call<MmuUpdate>(guest, {address(&request), 1, 0, DOMID_SELF}), Error::invalid);
    expect_error(update(guest, space.l1, 0, 0, 0, dom0.id.value()), Error::permission);
    expect_error(update(guest, space.l1, 0, 0, 0, DOMID_IO), Error::no_domain);
    expect_error(update(dom0, foreign, 0, 0, 0, DOMID_IO), Error::no_domain);
    expect_error(update(dom0, foreign, 0, 0, 0, 77), Error::no_domain);
}

TEST_F(CallTest, UpdatesOfPlainPagesAreData) {
    const auto plain = page(guest);
    ASSERT_TRUE(update(guest, plain, 5, 0x1234567));
    EXPECT_EQ(words(plain)[5], 0x1234567U);
    EXPECT_EQ(frame(plain).references(), 1U);
}

TEST_F(CallTest, MachineToPhysical) {
    const auto at = data.value() << page_shift | MMU_MACHPHYS_UPDATE;
    const mmu_update_t request{.ptr = at, .val = 0x77};
    ASSERT_TRUE(call<MmuUpdate>(guest, {address(&request), 1, 0, DOMID_SELF}));
    EXPECT_EQ(machine::get_m2p(data), 0x77U);
    expect_error(call<MmuUpdate>(dom0, {address(&request), 1, 0, DOMID_SELF}), Error::invalid);
    EXPECT_TRUE(call<MmuUpdate>(dom0, {address(&request), 1, 0, guest.id.value()}));
    const mmu_update_t beyond{.ptr = ~7ULL | MMU_MACHPHYS_UPDATE, .val = 0};
    expect_error(call<MmuUpdate>(guest, {address(&beyond), 1, 0, DOMID_SELF}), Error::invalid);
}

TEST_F(CallTest, DomainZeroMapsAndBuildsForOthers) {
    const auto s = make_space(dom0);
    run_on(dom0, s);
    expect_error(update(dom0, s.l1, 0, writable_entry(data)), Error::busy);
    ASSERT_TRUE(update(dom0, s.l1, 0, writable_entry(data), 0, guest.id.value()));
    EXPECT_EQ(frame(data).type_references(), 2U);
    expect_error(update(dom0, s.l1, 1, writable_entry(space.l1), 0, guest.id.value()), Error::busy);
    ASSERT_TRUE(update(dom0, s.l1, 1, readonly_entry(space.l1), 0, guest.id.value()));
    ASSERT_TRUE(
        call<UpdateVaMappingOtherdomain>(dom0, {Space::base, readonly_entry(data), 0, guest.id.value()}));
    expect_error(
        call<UpdateVaMappingOtherdomain>(guest, {Space::base, readonly_entry(s.l1), 0, dom0.id.value()}),
        Error::permission);
    // Another domain's tables, by the upper half.
    const auto both = (guest.id.value() + 1U) << 16 | guest.id.value();
    ASSERT_TRUE(update(dom0, space.l1, 9, writable_entry(data), 0, both));
    EXPECT_EQ(words(space.l1)[9], writable_entry(data));
    const auto built = make_space(guest);
    ASSERT_TRUE(extended(dom0, MMUEXT_PIN_L4_TABLE, built.l4.value(), 0, guest.id.value()));
    expect_error(extended(dom0, MMUEXT_PIN_L4_TABLE, built.l4.value()), Error::invalid);
    ASSERT_TRUE(extended(dom0, MMUEXT_UNPIN_TABLE, built.l4.value(), 0, guest.id.value()));
    expect_error(extended(dom0, MMUEXT_NEW_BASEPTR, space.l4.value(), 0, guest.id.value()),
                 Error::permission);
    // A foreign mapping keeps an L1 from being validated again: only updates may bring one in.
    ASSERT_TRUE(update(dom0, s.l2, 0, 0));
    expect_error(update(dom0, s.l2, 0, table_entry(s.l1)), Error::busy);
    EXPECT_EQ(frame(data).type_references(), 2U); // both in the guest
}

TEST_F(CallTest, RootsAreLoadedInTheirMode) {
    const auto user = make_space(guest);
    ASSERT_TRUE(extended(guest, MMUEXT_NEW_USER_BASEPTR, user.l4.value()));
    EXPECT_EQ(world.machine.root, space.l4);
    EXPECT_EQ(guest.vcpus[0]->tables.user_root, user.l4);
    ASSERT_TRUE(extended(guest, MMUEXT_NEW_USER_BASEPTR, 0));
    EXPECT_EQ(frame(user.l4).references(), 1U); // nothing else held it
    expect_error(extended(guest, MMUEXT_NEW_BASEPTR, 0), Error::invalid);
    expect_error(extended(guest, MMUEXT_NEW_BASEPTR, space.l3.value()), Error::invalid);
    expect_error(extended(guest, MMUEXT_NEW_BASEPTR, Mfn{~0ULL}.value()), Error::invalid);
    ASSERT_TRUE(extended(guest, MMUEXT_NEW_BASEPTR, user.l4.value()));
    EXPECT_EQ(world.machine.root, user.l4);
    ASSERT_TRUE(extended(guest, MMUEXT_UNPIN_TABLE, space.l4.value()));
    EXPECT_FALSE(frame(space.l4).validated());
}

TEST_F(CallTest, TheRootInUseSurvivesItsUnpinning) {
    ASSERT_TRUE(extended(guest, MMUEXT_UNPIN_TABLE, space.l4.value()));
    EXPECT_TRUE(frame(space.l4).validated());
    ASSERT_TRUE(map(Space::base, 0));
}

TEST_F(CallTest, PageOperations) {
    const auto from = page(guest);
    const auto to = page(guest);
    words(from)[17] = 0xabc;
    ASSERT_TRUE(extended(guest, MMUEXT_COPY_PAGE, to.value(), from.value()));
    EXPECT_EQ(words(to)[17], 0xabcU);
    ASSERT_TRUE(extended(guest, MMUEXT_COPY_PAGE, to.value(), to.value()));
    ASSERT_TRUE(extended(guest, MMUEXT_CLEAR_PAGE, to.value()));
    EXPECT_EQ(words(to)[17], 0U);
    expect_error(extended(guest, MMUEXT_CLEAR_PAGE, space.l1.value()), Error::invalid);
    expect_error(extended(guest, MMUEXT_COPY_PAGE, space.l1.value(), from.value()), Error::invalid);
    expect_error(extended(guest, MMUEXT_COPY_PAGE, to.value(), page(dom0).value()), Error::invalid);
    expect_error(extended(guest, MMUEXT_CLEAR_PAGE, page(dom0).value()), Error::invalid);
}

TEST_F(CallTest, OtherOperations) {
    alignas(8) const std::uint64_t mask = 1;
    for (const unsigned command :
         std::initializer_list<unsigned>{MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_LOCAL,
                                         MMUEXT_INVLPG_ALL, MMUEXT_FLUSH_CACHE, MMUEXT_FLUSH_CACHE_GLOBAL})
        EXPECT_TRUE(extended(guest, command, Space::base));
    EXPECT_TRUE(extended(guest, MMUEXT_TLB_FLUSH_MULTI, 0, address(&mask)));
    EXPECT_TRUE(extended(guest, MMUEXT_INVLPG_MULTI, 0, address(&mask)));
    expect_error(extended(guest, MMUEXT_INVLPG_MULTI, 0, 0xffff800000000000), Error::invalid);
    expect_error(extended(guest, MMUEXT_MARK_SUPER, 0), Error::not_supported);
    expect_error(extended(guest, 14, 0), Error::not_implemented);
    expect_error(extended(guest, 0xffffffff, 0), Error::not_implemented);
}

TEST_F(CallTest, WritesToTablesAreEmulatedAsUpdates) {
    auto& vcpu = *guest.vcpus[0];
    const std::uint64_t at = Space::base + 9 * page_bytes;
    ASSERT_TRUE(map(at, readonly_entry(space.l1)));
    const auto write = [&](std::uint64_t offset, std::uint64_t value, unsigned bytes = 8) {
        return emulate_pte_write(vcpu, GuestAddress{at + offset}, value, bytes);
    };
    EXPECT_EQ(write(8, writable_entry(data)), Result<bool>{true});
    EXPECT_EQ(words(space.l1)[1], writable_entry(data));
    expect_error(write(16, writable_entry(space.l2)), Error::busy);
    expect_error(write(16, writable_entry(Mfn{900})), Error::busy);
    EXPECT_EQ(write(24 + 4, 0x11223344, 4), Result<bool>{true}); // half an entry that is not present
    EXPECT_EQ(words(space.l1)[3], 0x1122334400000000U);
    EXPECT_EQ(write(24 + 2, 0xffff, 1), Result<bool>{true});
    EXPECT_EQ(words(space.l1)[3], 0x1122334400ff0000U);
    const GuestAddress upper{at + 24 + 4};
    expect_error(emulate_pte_write(vcpu, upper, 0x55, 4, 0x11223345), Error::restart); // changed meanwhile
    EXPECT_EQ(words(space.l1)[3], 0x1122334400ff0000U);
    EXPECT_EQ(emulate_pte_write(vcpu, upper, 0x11223346, 4, 0x11223344), Result<bool>{true});
    EXPECT_EQ(words(space.l1)[3], 0x1122334600ff0000U);
    EXPECT_EQ(write(28, 0, 8), Result<bool>{false}); // over two entries
    EXPECT_EQ(emulate_pte_write(vcpu, GuestAddress{Space::base}, 0, 8), Result<bool>{false}); // writable
    EXPECT_EQ(emulate_pte_write(vcpu, GuestAddress{Space::base + 0x50000}, 0, 8),
              Result<bool>{false}); // nothing
    EXPECT_EQ(emulate_pte_write(vcpu, GuestAddress{0xffff800000000000}, 0, 8), Result<bool>{false});
    ASSERT_TRUE(map(Space::base + 0x50000, readonly_entry(data)));
    EXPECT_EQ(emulate_pte_write(vcpu, GuestAddress{Space::base + 0x50000}, 0, 8),
              Result<bool>{false}); // no table
    vcpu.processor.in_kernel = false;
    EXPECT_EQ(write(8, 0), Result<bool>{false});
}

TEST_F(CallTest, LeavesOfGrantMappings) {
    const auto lent = page(dom0);
    const GuestAddress at{Space::base + 3 * page_bytes};
    ASSERT_TRUE(get_data(lent, dom0, true));
    EXPECT_EQ(replace_leaf(space.l4, at, writable_entry(lent)), Result<std::uint64_t>{0});
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    EXPECT_EQ(read_leaf(space.l4, at), Result<std::uint64_t>{writable_entry(lent)});
    EXPECT_EQ(frame(lent).references(), 2U);
    ASSERT_TRUE(map(at.value(), writable_entry(lent) | entry::dirty)); // its flags are the guest's
    expect_error(map(at.value(), readonly_entry(lent)), Error::busy);
    const auto flushes = world.machine.flushes;
    ASSERT_TRUE(replace_leaf(space.l4, at, 0));
    EXPECT_EQ(world.machine.flushes, flushes + 1);
    EXPECT_EQ(frame(lent).references(), 1U);
    expect_error(replace_leaf(space.l4, GuestAddress{0}, 0), Error::invalid);
    expect_error(read_leaf(space.l4, GuestAddress{0xffff800000000000}), Error::invalid);
}

TEST_F(CallTest, WalkFollowsOnlyTables) {
    const auto found = walk(space.l4, GuestAddress{Space::base + 5});
    EXPECT_TRUE(found.ok());
    EXPECT_EQ(found.leaf(), writable_entry(data));
    EXPECT_EQ(found.entries[0], table_entry(space.l3));
    EXPECT_FALSE(walk(Mfn{}, GuestAddress{Space::base}).ok());
    EXPECT_FALSE(walk(Mfn{1ULL << 40}, GuestAddress{Space::base}).ok());
    EXPECT_FALSE(walk(space.l4, GuestAddress{0xffff800000000000}).ok());
    EXPECT_FALSE(walk(space.l4, GuestAddress{0x0000800000000000}).ok());
}

} // namespace bulkhead::hv::host
