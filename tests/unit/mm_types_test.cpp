// Page types: what validates, what must not, and that nothing is left behind by what fails or is interrupted.
#include "hv/mm/types.hpp"
#include "tests/unit/mm_fixture.hpp"

namespace bulkhead::hv::host {

namespace {
constexpr std::uint64_t large = 0x80, global = 0x100, no_execute = 1ULL << 63;
} // namespace

TEST_F(MemoryTest, ValidatesATree) {
    const auto s = make_space(guest);
    const auto data = page(guest);
    words(s.l1)[0] =
        data.value() << 12 | entry::present | entry::writable | global | no_execute; // no user bit
    words(s.l1)[1] = readonly_entry(s.l1);
    words(s.l1)[2] = readonly_entry(s.l4);
    words(s.l1)[3] = 0xdead0000; // not present: the guest's business
    run_on(guest, s);
    EXPECT_EQ(frame(s.l4).type(), FrameType::l4);
    EXPECT_EQ(frame(s.l1).type(), FrameType::l1);
    EXPECT_EQ(frame(data).type(), FrameType::writable);
    EXPECT_EQ(words(s.l1)[0], writable_entry(data) | no_execute);
    EXPECT_EQ(words(s.l1)[3], 0xdead0000U);
    EXPECT_EQ(words(s.l4)[256], Machine::hypervisor_entry(0));
    EXPECT_EQ(words(s.l4)[271], Machine::hypervisor_entry(15));
    EXPECT_EQ(world.machine.root, s.l4);
}

TEST_F(MemoryTest, GuestsEntriesInTheHypervisorsSlotsAreIgnored) {
    const auto s = make_space(guest);
    words(s.l4)[256] = table_entry(Mfn{3});
    words(s.l4)[271] = ~0ULL;
    words(s.l4)[272] = 0;
    run_on(guest, s);
    EXPECT_EQ(words(s.l4)[256], Machine::hypervisor_entry(0));
    expect_error(update(guest, s.l4, 256, 0), Error::invalid);
    expect_error(update(guest, s.l4, 271, table_entry(s.l3)), Error::invalid);
    EXPECT_TRUE(update(guest, s.l4, 272, table_entry(s.l3)));
    EXPECT_TRUE(update(guest, s.l4, 255, table_entry(s.l3)));
}

TEST_F(MemoryTest, ATableIsNeverWritable) {
    const auto s = make_space(guest);
    run_on(guest, s);
    for (const auto table : {s.l1, s.l2, s.l3, s.l4}) {
        expect_error(update(guest, s.l1, 9, writable_entry(table)), Error::busy);
        EXPECT_TRUE(update(guest, s.l1, 9, readonly_entry(table)));
        expect_error(update(guest, s.l1, 9, writable_entry(table)), Error::busy);
    }
}

TEST_F(MemoryTest, AWritablePageIsNoTable) {
    const auto s = make_space(guest);
    const auto data = page(guest);
    words(s.l1)[0] = writable_entry(data);
    run_on(guest, s);
    for (const unsigned command : std::initializer_list<unsigned>{MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                                                  MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE})
        expect_error(extended(guest, command, data.value()), Error::invalid);
    expect_error(update(guest, s.l2, 7, table_entry(data)), Error::invalid);
    EXPECT_TRUE(update(guest, s.l1, 0, readonly_entry(data)));
    EXPECT_TRUE(update(guest, s.l2, 7, table_entry(data)));
}

TEST_F(MemoryTest, ASpaceThatMapsItselfWritableIsRefusedAndLeavesNothing) {
    for (unsigned which = 0; which < 4; ++which) {
        const auto s = make_space(guest);
        const Mfn tables[] = {s.l1, s.l2, s.l3, s.l4};
        words(s.l1)[511] = writable_entry(tables[which]);
        EXPECT_FALSE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
        EXPECT_EQ(audit(), 0U) << world.machine.console;
        for (const auto table : tables) {
            EXPECT_EQ(frame(table).references(), 1U);
            EXPECT_FALSE(frame(table).partial());
            EXPECT_EQ(words(table)[256], 0U);
        }
    }
}

TEST_F(MemoryTest, TablesAtTwoLevelsAreRefused) {
    auto s = make_space(guest);
    words(s.l2)[5] = table_entry(s.l4); // an L4 as an L1 below itself
    EXPECT_FALSE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
    s = make_space(guest);
    words(s.l3)[5] = table_entry(s.l1); // one table at two levels
    EXPECT_FALSE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
    EXPECT_TRUE(extended(guest, MMUEXT_PIN_L1_TABLE, s.l1.value())); // nothing is left of the attempt
}

TEST_F(MemoryTest, RefusesWhatNobodyCounts) {
    const auto foreign = page(dom0);
    const auto hypervisor = frame_table().allocate_for_hypervisor();
    ASSERT_TRUE(hypervisor);
    const auto s = make_space(guest);
    run_on(guest, s);
    expect_error(update(guest, s.l1, 0, writable_entry(foreign)), Error::busy);
    expect_error(update(guest, s.l1, 0, readonly_entry(foreign)), Error::busy);
    expect_error(update(guest, s.l1, 0, readonly_entry(*hypervisor)), Error::busy);
    expect_error(update(guest, s.l1, 0, readonly_entry(Mfn{0xfee00})), Error::permission); // a device
    expect_error(update(guest, s.l1, 0, 0x000ffffffffff007), Error::permission);
    expect_error(update(guest, s.l1, 0, readonly_entry(Mfn{700})), Error::busy); // free memory
    expect_error(update(guest, s.l2, 9, table_entry(page(guest)) | large), Error::invalid);
    expect_error(update(guest, s.l3, 9, table_entry(page(guest)) | large), Error::invalid);
    expect_error(update(guest, s.l4, 9, table_entry(page(guest)) | large), Error::invalid);
    expect_error(update(guest, s.l2, 9, table_entry(foreign)), Error::invalid);
    frame_table().free_for_hypervisor(*hypervisor);
}

TEST_F(MemoryTest, SharedTablesCountTwice) {
    const auto s = make_space(guest);
    run_on(guest, s);
    ASSERT_TRUE(update(guest, s.l2, 1, table_entry(s.l1)));
    EXPECT_EQ(frame(s.l1).type_references(), 2U);
    ASSERT_TRUE(update(guest, s.l2, 0, 0));
    EXPECT_EQ(frame(s.l1).type_references(), 1U);
    ASSERT_TRUE(update(guest, s.l2, 1, 0));
    EXPECT_EQ(frame(s.l1).references(), 1U);
    EXPECT_FALSE(frame(s.l1).validated());
}

TEST_F(MemoryTest, UnpinReleasesTheWholeTree) {
    const auto s = make_space(guest);
    const auto data = page(guest);
    words(s.l1)[0] = writable_entry(data);
    ASSERT_TRUE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
    expect_error(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()), Error::invalid); // once
    ASSERT_TRUE(extended(guest, MMUEXT_UNPIN_TABLE, s.l4.value()));
    expect_error(extended(guest, MMUEXT_UNPIN_TABLE, s.l4.value()), Error::invalid);
    for (const auto mfn : {s.l1, s.l2, s.l3, s.l4, data})
        EXPECT_EQ(frame(mfn).references(), 1U);
    EXPECT_EQ(words(s.l4)[256], 0U); // nothing of the hypervisor stays behind
    const auto other = make_space(guest);
    run_on(guest, other);
    for (unsigned i = 0; const auto mfn : {s.l1, s.l2, s.l3, s.l4, data})
        EXPECT_TRUE(update(guest, other.l1, i++, writable_entry(mfn)));
}

TEST_F(MemoryTest, TypeChangesFlushOnceWhileTranslationsMayBeStale) {
    const auto s = make_space(guest);
    const auto data = page(guest);
    words(s.l1)[0] = writable_entry(data);
    run_on(guest, s);
    ASSERT_TRUE(update(guest, s.l1, 0, readonly_entry(data)));
    const auto flushes = world.machine.flushes;
    ASSERT_TRUE(
        extended(guest, MMUEXT_PIN_L1_TABLE, data.value())); // somebody may still write through the TLB
    EXPECT_EQ(world.machine.flushes, flushes + 1);
    ASSERT_TRUE(extended(guest, MMUEXT_UNPIN_TABLE, data.value()));
    ASSERT_TRUE(extended(guest, MMUEXT_TLB_FLUSH_LOCAL, 0));
    ASSERT_TRUE(extended(guest, MMUEXT_PIN_L2_TABLE, data.value()));
    EXPECT_EQ(world.machine.flushes, flushes + 2); // the guest's own was enough
}

// A tree of three L1s below one L2, pinned and unpinned while every n-th question says stop.
class PreemptionTest : public MemoryTest, public ::testing::WithParamInterface<std::uint64_t> {
  protected:
    Space make_wide() {
        const auto s = make_space(guest);
        data = page(guest);
        for (unsigned t = 0; t < 3; ++t) {
            const auto l1 = t == 0 ? s.l1 : page(guest);
            words(s.l2)[t * 200] = table_entry(l1);
            for (unsigned i = 0; i < 512; i += 2)
                words(l1)[i] = i % 4 == 0 ? writable_entry(data) : readonly_entry(data);
        }
        return s;
    }
    HypercallResult audited(unsigned command, Mfn mfn) {
        mmuext_op_t op{};
        op.cmd = command;
        op.arg1.mfn = mfn.value();
        std::uint32_t done = 99;
        const auto result = call<MmuextOp>(guest, {address(&op), 1, address(&done), DOMID_SELF}, [this] {
            ++parts;
            EXPECT_EQ(audit(), 0U) << world.machine.console;
        });
        EXPECT_EQ(done, result ? 1U : 0U);
        return result;
    }
    Mfn data{};
    int parts = 0;
};

TEST_P(PreemptionTest, PinAndUnpin) {
    const auto s = make_wide();
    world.machine.preempt_every = GetParam();
    ASSERT_TRUE(audited(MMUEXT_PIN_L4_TABLE, s.l4));
    EXPECT_EQ(frame(data).type_references(), 3U * 128);
    EXPECT_EQ(frame(data).references(), 3U * 256 + 1);
    const auto pinned_in = std::exchange(parts, 0);
    ASSERT_TRUE(audited(MMUEXT_UNPIN_TABLE, s.l4));
    EXPECT_EQ(frame(data).references(), 1U);
    if (GetParam() < 10) {
        EXPECT_GT(pinned_in, 5);
        EXPECT_GT(parts, 5);
    }
}

TEST_P(PreemptionTest, AFailureLateInTheTreeUndoesEverything) {
    const auto s = make_wide();
    words(s.l2)[500] = table_entry(Mfn{~0ULL >> 20});
    world.machine.preempt_every = GetParam();
    expect_error(audited(MMUEXT_PIN_L4_TABLE, s.l4), Error::invalid);
    for (const auto mfn : {s.l1, s.l2, s.l3, s.l4, data})
        EXPECT_EQ(frame(mfn).references(), 1U);
}

TEST_P(PreemptionTest, AnAbandonedPinCanBeTakenUpOrUndone) {
    const auto s = make_wide();
    const auto other = make_space(guest);
    run_on(guest, other);
    world.machine.preempt_every = GetParam();
    expect_error(pin(s.l4, FrameType::l4, guest), Error::restart);
    EXPECT_TRUE(frame(s.l4).partial());
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    ASSERT_TRUE(update(guest, other.l1, 0, writable_entry(s.l4))); // undone on demand
    for (const auto mfn : {s.l1, s.l2, s.l3, data})
        EXPECT_EQ(frame(mfn).references(), 1U);
    ASSERT_TRUE(update(guest, other.l1, 0, 0));
    expect_error(pin(s.l4, FrameType::l4, guest), Error::restart);
    ASSERT_TRUE(audited(MMUEXT_PIN_L4_TABLE, s.l4)); // goes on where it was
}

TEST_P(PreemptionTest, AReplacedSubtreeIsGoneWhenTheCallReturns) {
    const auto s = make_wide();
    run_on(guest, s);
    world.machine.preempt_every = GetParam();
    ASSERT_TRUE(update(guest, s.l3, 1, 0));
    EXPECT_EQ(frame(data).references(), 1U);
    EXPECT_EQ(frame(s.l1).references(), 1U);
    EXPECT_EQ(guest.memory.unfinished_table, Mfn{});
}

TEST_P(PreemptionTest, AnInterruptedReleaseIsNoOnesTable) {
    const auto s = make_wide();
    run_on(guest, s);
    const auto l3 = page(guest);
    world.machine.preempt_every = GetParam();
    ASSERT_TRUE(unpin(s.l4, guest)); // the root holds it still
    ASSERT_TRUE(update(guest, s.l4, 1, 0));
    mmu_update_t request{.ptr = s.l3.value() << page_shift | 8, .val = 0};
    HypercallArguments arguments{{address(&request), 1, 0, DOMID_SELF}};
    HypercallContext context{*guest.vcpus[0], guest, arguments};
    expect_error(MmuUpdate::decode(arguments).run(context), Error::restart);
    EXPECT_TRUE(frame(s.l2).partial());
    EXPECT_EQ(arguments[1], 0x80000000U); // the request is done, its debt isn't paid
    EXPECT_EQ(words(s.l3)[1], 0U);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    ASSERT_TRUE(update(guest, s.l4, 2, table_entry(l3))); // any other call pays first
    EXPECT_EQ(frame(s.l2).references(), 1U);
}

INSTANTIATE_TEST_SUITE_P(EveryNthQuestion, PreemptionTest, ::testing::Values(1, 2, 3, 5, 7, 11),
                         [](const auto& n) { return std::to_string(n.param); });

// The holder of the table that is being changed is itself an orphan which the change undoes.
TEST_F(MemoryTest, ATableStaysOneWhileItIsChanged) {
    const auto l2 = page(guest);
    const auto l1 = page(guest);
    const auto late = page(guest);
    const auto data = page(guest);
    words(l1)[0] = writable_entry(data);
    words(l2)[0] = table_entry(l1);
    words(l2)[300] = table_entry(late);
    world.machine.preempt_every = 6; // four are asked in the L1, the sixth at entry 128 of the L2
    expect_error(pin(l2, FrameType::l2, guest), Error::restart);
    world.machine.preempt_every = 0;
    ASSERT_TRUE(frame(l2).partial());
    ASSERT_TRUE(frame(l1).validated()); // held by the unfinished L2 alone
    ASSERT_TRUE(update(guest, l1, 0, writable_entry(l2)));
    EXPECT_FALSE(frame(l2).partial());
    EXPECT_FALSE(frame(l1).validated());
    EXPECT_EQ(frame(data).references(), 1U);
    EXPECT_EQ(frame(l2).references(), 1U);
}

// However little a table holds, going through it ends at a preemption point within 128 entries; within 16 if
// they hold something.
TEST_F(MemoryTest, EmptyTablesAreInterruptedTooButSeldom) {
    const auto l1 = page(guest);
    const auto data = page(guest);
    const auto times = [&] {
        world.machine.preempt_every = 1;
        int restarts = 0;
        for (auto pinned = pin(l1, FrameType::l1, guest); !pinned; pinned = pin(l1, FrameType::l1, guest)) {
            EXPECT_EQ(pinned.error(), Error::restart);
            ++restarts;
        }
        world.machine.preempt_every = 0;
        EXPECT_TRUE(unpin(l1, guest));
        return restarts;
    };
    EXPECT_EQ(times(), 512 / 128 - 1);
    for (unsigned i = 0; i < 512; ++i)
        words(l1)[i] = readonly_entry(data);
    EXPECT_EQ(times(), 512 / 16 - 1);
    EXPECT_EQ(frame(data).references(), 1U);
}

} // namespace bulkhead::hv::host
