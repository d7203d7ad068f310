// Linear page tables: which entries for a table of the same level are taken, what they hold, that releasing
// them is bounded, and that nothing of the hypervisor's is reached through them.
#include "hv/mm/linear.hpp"
#include "hv/mm/types.hpp"
#include "hv/mm/walk.hpp"
#include "tests/unit/mm_fixture.hpp"

#include <vector>

namespace bulkhead::hv::host {

namespace {

constexpr unsigned pins[] = {MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE};

GuestAddress at(std::uint64_t l4, std::uint64_t l3, std::uint64_t l2, std::uint64_t l1) {
    const auto low = l4 << 39 | l3 << 30 | l2 << 21 | l1 << 12;
    return GuestAddress{l4 >= 256 ? low | 0xffff000000000000 : low};
}

} // namespace

class LinearTest : public MemoryTest {
  protected:
    // An empty table of level 2 to 4, pinned.
    Mfn table(unsigned level) {
        const auto mfn = page(guest);
        EXPECT_TRUE(extended(guest, pins[level - 2], mfn.value()));
        return mfn;
    }
    HypercallResult link(Mfn from, unsigned index, Mfn to) {
        return update(guest, from, index, readonly_entry(to));
    }
    HypercallResult unpin(Mfn mfn) { return extended(guest, MMUEXT_UNPIN_TABLE, mfn.value()); }
    void expect_released(Mfn mfn) {
        EXPECT_EQ(frame(mfn).references(), 1U);
        EXPECT_FALSE(frame(mfn).partial());
        EXPECT_EQ(frame(mfn).linear_links, 0);
    }
    void expect_clean() { EXPECT_EQ(audit(), 0U) << world.machine.console; }
};

TEST_F(LinearTest, ATableMayNameItselfAndHoldsNothingByThat) {
    for (unsigned level = 2; level <= 4; ++level) {
        const auto built = page(guest);
        words(built)[9] = readonly_entry(built); // validated with the entry in it
        ASSERT_TRUE(extended(guest, pins[level - 2], built.value()));
        const auto changed = table(level);
        ASSERT_TRUE(link(changed, 9, changed));
        for (const auto mfn : {built, changed}) {
            EXPECT_EQ(frame(mfn).type_references(), 1U);
            EXPECT_EQ(frame(mfn).linear_links, 0);
            expect_clean();
            ASSERT_TRUE(unpin(mfn));
            expect_released(mfn);
        }
    }
}

TEST_F(LinearTest, AnotherTableOfTheLevelIsHeldUntilTheLastEntryGoes) {
    for (unsigned level = 2; level <= 4; ++level) {
        const auto first = table(level), other = table(level);
        ASSERT_TRUE(link(first, 1, other));
        ASSERT_TRUE(link(first, 2, other));
        EXPECT_EQ(frame(first).linear_links, 2);
        EXPECT_EQ(frame(other).linear_links, -2);
        ASSERT_TRUE(unpin(other));
        EXPECT_TRUE(frame(other).validated());
        expect_clean();
        ASSERT_TRUE(update(guest, first, 1, 0));
        EXPECT_TRUE(frame(other).validated());
        ASSERT_TRUE(update(guest, first, 2, 0));
        expect_released(other);
        EXPECT_EQ(frame(first).linear_links, 0);
        ASSERT_TRUE(unpin(first));
    }
}

TEST_F(LinearTest, EitherTableMayGoFirst) {
    for (unsigned level = 2; level <= 4; ++level)
        for (const bool holder_first : {true, false}) {
            const auto first = table(level), other = table(level);
            ASSERT_TRUE(link(first, 1, other));
            ASSERT_TRUE(unpin(holder_first ? first : other));
            expect_clean();
            ASSERT_TRUE(unpin(holder_first ? other : first));
            expect_released(first);
            expect_released(other);
        }
}

TEST_F(LinearTest, ATableIsLinearOrMapsLinearly) {
    for (unsigned level = 2; level <= 4; ++level) {
        const auto a = table(level), b = table(level), c = table(level);
        ASSERT_TRUE(link(a, 1, b));
        expect_error(link(b, 1, a), Error::invalid); // a circle of two
        expect_error(link(b, 1, c), Error::invalid); // a chain
        expect_error(link(c, 1, a), Error::invalid); // and from its other end
        EXPECT_TRUE(link(b, 1, b));                  // names itself, which is not a link
        EXPECT_TRUE(link(c, 1, b));
        EXPECT_EQ(frame(b).linear_links, -2);
        const auto built = page(guest);
        words(built)[3] = readonly_entry(b);
        words(built)[4] = readonly_entry(a); // has an entry itself, so all of it is undone
        expect_error(extended(guest, pins[level - 2], built.value()), Error::invalid);
        EXPECT_EQ(frame(b).linear_links, -2);
        expect_released(built);
        ASSERT_TRUE(update(guest, a, 1, 0));
        ASSERT_TRUE(update(guest, c, 1, 0));
        EXPECT_TRUE(link(b, 2, a)); // the other way round, now that none is left
    }
}

TEST_F(LinearTest, WritableForeignAndUnvalidatedTablesAreRefused) {
    const auto root = table(4), other = table(4);
    expect_error(update(guest, root, 1, table_entry(root)), Error::invalid);
    expect_error(update(guest, root, 1, table_entry(other)), Error::invalid);
    ASSERT_TRUE(link(root, 1, other));
    expect_error(update(guest, root, 1, table_entry(other)), Error::invalid); // nor made so later
    EXPECT_EQ(words(root)[1], readonly_entry(other));
    const auto foreign = page(dom0);
    ASSERT_TRUE(extended(dom0, MMUEXT_PIN_L4_TABLE, foreign.value()));
    expect_error(link(root, 2, foreign), Error::invalid);
    const auto half = page(guest); // its validation is never finished
    for (unsigned i = 0; i < 496; i += 16)
        words(half)[i] = readonly_entry(half);
    words(half)[511] = readonly_entry(root); // so that it is not an L3 either
    world.machine.preempt_every = 2;
    expect_error(pin(half, FrameType::l4, guest), Error::restart);
    world.machine.preempt_every = 0;
    ASSERT_TRUE(frame(half).partial());
    expect_error(link(root, 2, half), Error::invalid);
    for (const auto index : {256U, 271U})
        expect_error(link(root, index, root), Error::invalid);
}

TEST_F(LinearTest, AnEntryIsReplacedAndChangedInPlace) {
    const auto root = table(4), one = table(4), two = table(4);
    ASSERT_TRUE(link(root, 1, one));
    ASSERT_TRUE(link(root, 1, two));
    EXPECT_EQ(frame(one).linear_links, 0);
    EXPECT_EQ(frame(two).linear_links, -1);
    ASSERT_TRUE(update(guest, root, 1, readonly_entry(two) | 1ULL << 63));
    EXPECT_EQ(frame(two).linear_links, -1);
    ASSERT_TRUE(link(root, 1, root));
    EXPECT_EQ(frame(two).linear_links, 0);
    const auto l3 = page(guest);
    ASSERT_TRUE(update(guest, root, 1, table_entry(l3)));
    EXPECT_EQ(frame(l3).type(), FrameType::l3);
    ASSERT_TRUE(link(root, 1, root));
    expect_released(l3);
}

TEST_F(LinearTest, AMachineMayRefuseThemAll) {
    const auto s = make_space(guest);
    words(s.l4)[5] = readonly_entry(s.l4);
    set_linear_tables(false);
    EXPECT_FALSE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
    set_linear_tables(true);
    EXPECT_TRUE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
}

TEST_F(LinearTest, AWindowShowsTablesAndNoneOfThemIsTakenForAnL1) {
    const auto s = make_space(guest);
    words(s.l1)[7] = readonly_entry(s.l1);
    run_on(guest, s);
    ASSERT_TRUE(link(s.l4, 300, s.l4));
    for (const auto& [l3, l2, l1, shown] :
         {std::array{0U, 1U, 0U, 4U}, {300U, 0U, 1U, 3U}, {300U, 300U, 0U, 2U}}) {
        const auto found = walk(s.l4, at(300, l3, l2, l1));
        const Mfn expected[] = {s.l4, s.l4, s.l3, s.l2, s.l1};
        ASSERT_TRUE(found.ok());
        EXPECT_EQ(entry::frame(found.leaf()), expected[shown]);
        EXPECT_EQ(found.l1, Mfn{});
        expect_error(read_leaf(s.l4, at(300, l3, l2, l1)), Error::invalid);
        expect_error(replace_leaf(s.l4, at(300, l3, l2, l1), 0), Error::invalid);
        expect_error(call<UpdateVaMapping>(guest, {at(300, l3, l2, l1).value(), 0, 0}), Error::invalid);
    }
    EXPECT_TRUE(walk(s.l4, at(0, 1, 0, 7)).l1 == s.l1);
}

TEST_F(LinearTest, AWalkEndsAtTheHypervisorsSlots) {
    const auto s = make_space(guest);
    run_on(guest, s);
    ASSERT_TRUE(link(s.l4, 300, s.l4));
    for (const auto address : {at(300, 256, 0, 0), at(300, 300, 271, 0), at(300, 300, 300, 262)})
        EXPECT_FALSE(walk(s.l4, address).ok());
    EXPECT_TRUE(walk(s.l4, at(300, 300, 300, 300)).ok());
}

TEST_F(LinearTest, ArgumentsOfCallsDoNotLieBehindTheHypervisorsSlots) {
    const auto s = make_space(guest);
    run_on(guest, s);
    const auto& slots = guest.memory.linear_slots;
    const auto reaches = [&](GuestAddress address, std::size_t bytes = 8) {
        return may_reach_hypervisor(slots, address, bytes);
    };
    EXPECT_FALSE(slots.any());
    EXPECT_FALSE(reaches(at(300, 256, 0, 0)));
    const auto flushes = world.machine.flushes;
    ASSERT_TRUE(link(s.l4, 300, s.l4));
    EXPECT_EQ(world.machine.flushes, flushes + 1); // by then all pCPUs know
    EXPECT_TRUE(slots.any());
    for (const auto address :
         {at(300, 256, 0, 0), at(300, 271, 511, 511), at(300, 300, 256, 5), at(300, 300, 300, 271)})
        EXPECT_TRUE(reaches(address));
    for (const auto address : {at(300, 255, 256, 256), at(300, 272, 0, 0), at(300, 300, 300, 300),
                               at(301, 256, 0, 0), at(0, 300, 256, 256)})
        EXPECT_FALSE(reaches(address));
    EXPECT_TRUE(reaches(GuestAddress{at(300, 256, 0, 0).value() - 1}, 2)); // ends there
    EXPECT_FALSE(reaches(GuestAddress{at(300, 256, 0, 0).value() - 8}));
    EXPECT_TRUE(reaches(at(300, 255, 511, 511), 2 * page_bytes));
    ASSERT_TRUE(update(guest, s.l4, 300, 0));
    EXPECT_TRUE(reaches(at(300, 256, 0, 0))); // a translation may be left
    const auto l3 = table(3);
    ASSERT_TRUE(link(l3, 20, l3));
    EXPECT_FALSE(slots.has(20)); // an L3 has no slots of the hypervisor's
}

// A dead domain's tables go, whatever they name.
TEST_F(LinearTest, ADomainEndsWithLinearTables) {
    auto& third = world.add_domain(60);
    const auto s = make_space(third);
    const auto other = page(third);
    words(s.l4)[300] = readonly_entry(s.l4);
    run_on(third, s);
    ASSERT_TRUE(extended(third, MMUEXT_PIN_L4_TABLE, other.value()));
    ASSERT_TRUE(update(third, s.l4, 301, readonly_entry(other)));
    ASSERT_TRUE(extended(third, MMUEXT_UNPIN_TABLE, other.value()));
    world.machine.preempt_every = 3;
    EXPECT_TRUE(world.remove_domain(third));
    world.machine.preempt_every = 0;
}

// All of it in parts, with the audit between them.
class LinearPreemptionTest : public LinearTest, public ::testing::WithParamInterface<std::uint64_t> {
  protected:
    HypercallResult audited(unsigned command, Mfn mfn) {
        mmuext_op_t op{};
        op.cmd = command;
        op.arg1.mfn = mfn.value();
        return call<MmuextOp>(guest, {address(&op), 1, 0, DOMID_SELF}, [this] { expect_clean(); });
    }
};

TEST_P(LinearPreemptionTest, ATreeBelowALinkIsReleasedWithTheTableThatHasIt) {
    const auto s = make_space(guest);
    for (unsigned i = 0; i < 512; i += 3)
        words(s.l1)[i] = readonly_entry(s.l1);
    words(s.l3)[9] = readonly_entry(s.l3);
    words(s.l4)[9] = readonly_entry(s.l4);
    world.machine.preempt_every = GetParam();
    ASSERT_TRUE(audited(MMUEXT_PIN_L4_TABLE, s.l4));
    const auto upper = page(guest);
    for (const unsigned i : {0U, 40U, 41U, 511U})
        words(upper)[i] = readonly_entry(s.l4);
    words(upper)[60] = readonly_entry(upper);
    ASSERT_TRUE(audited(MMUEXT_PIN_L4_TABLE, upper));
    ASSERT_TRUE(audited(MMUEXT_UNPIN_TABLE, s.l4));
    EXPECT_EQ(frame(s.l4).linear_links, -4);
    ASSERT_TRUE(audited(MMUEXT_UNPIN_TABLE, upper));
    for (const auto mfn : {upper, s.l4, s.l3, s.l2, s.l1})
        expect_released(mfn);
}

// What an interrupted release of one table left of another may become a whole table again.
TEST_P(LinearPreemptionTest, ATableThatALinkLeftHalfReleasedIsTakenUpAgain) {
    const auto s = make_space(guest);
    for (unsigned i = 0; i < 512; i += 3)
        words(s.l1)[i] = readonly_entry(s.l1);
    ASSERT_TRUE(extended(guest, MMUEXT_PIN_L4_TABLE, s.l4.value()));
    const auto upper = table(4), other = table(4);
    ASSERT_TRUE(link(upper, 0, s.l4));
    ASSERT_TRUE(unpin(s.l4));
    world.machine.preempt_every = GetParam();
    mmuext_op_t op{};
    op.cmd = MMUEXT_UNPIN_TABLE;
    op.arg1.mfn = upper.value();
    HypercallArguments arguments{{address(&op), 1, 0, DOMID_SELF}};
    HypercallContext context{*guest.vcpus[0], guest, arguments};
    const auto result = MmuextOp::decode(arguments).run(context);
    expect_clean();
    if (result || !is_left_by_link(frame(s.l4)))
        return; // was not interrupted there
    auto again = pin(s.l4, FrameType::l4, guest);
    while (!again && again.error() == Error::restart)
        again = pin(s.l4, FrameType::l4, guest);
    ASSERT_TRUE(again);
    EXPECT_EQ(frame(s.l4).linear_links, 0);
    expect_clean();
    ASSERT_TRUE(link(s.l4, 1, other));
    ASSERT_TRUE(unpin(s.l4));
    expect_clean();
}

INSTANTIATE_TEST_SUITE_P(EveryNthQuestion, LinearPreemptionTest, ::testing::Values(1, 2, 3, 5, 7, 11),
                         [](const auto& n) { return std::to_string(n.param); });

// A guest leaves many L4s half-validated, each at an entry for the next. Undoing one of them must not follow
// the chain: the stack would not hold it.
TEST_F(LinearTest, AbandonedTablesThatNameEachOtherAreUndoneOneByOne) {
    std::vector<Mfn> chain(200);
    for (auto& mfn : chain)
        mfn = page(guest);
    world.machine.preempt_every = 1;
    for (std::size_t i = 0; i < chain.size(); ++i) {
        words(chain[i])[0] = readonly_entry(chain[i]);
        words(chain[i])[16] = i + 1 < chain.size() ? readonly_entry(chain[i + 1]) : 0;
        expect_error(pin(chain[i], FrameType::l4, guest), Error::restart);
        ASSERT_EQ(frame(chain[i]).progress, 16);
    }
    world.machine.preempt_every = 0;
    const auto s = make_space(guest);
    run_on(guest, s);
    ASSERT_TRUE(update(guest, s.l1, 0, writable_entry(chain[0]))); // undone on demand
    EXPECT_FALSE(frame(chain[0]).partial());
    EXPECT_TRUE(frame(chain[1]).partial());
    expect_clean();
}

} // namespace bulkhead::hv::host
