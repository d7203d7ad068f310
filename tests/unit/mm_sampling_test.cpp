// Sampled use of pages: what is drawn, what is seen of it, and that the guest's entries are as before
// afterwards.
#include "hv/mm/sampling.hpp"
#include "tests/unit/mm_fixture.hpp"

#include <set>
#include <vector>

namespace bulkhead::hv::host {

namespace {

constexpr auto soon_enough = RealTime::never();

class SamplingTest : public MemoryTest {
  protected:
    SamplingTest() : space{make_space(guest)} {
        for (unsigned i = 0; i < pages; ++i)
            words(space.l1)[i] = writable_entry(page(guest)) | (i % 2 == 0 ? entry::accessed : 0);
        run_on(guest, space);
        tables.begin();
        EXPECT_TRUE(tables.go_on(guest, random, soon_enough));
    }

    std::vector<Watch> watch(std::size_t draws) {
        std::vector<Watch> watches(draws);
        watches.resize(begin_watches(guest, tables, watches, random));
        return watches;
    }
    std::vector<std::uint64_t> entries() { return {words(space.l1), words(space.l1) + entry::per_table}; }

    static constexpr unsigned pages = 128;
    Space space;
    TableIndex tables;
    std::uint64_t random = 1;
};

} // namespace

TEST_F(SamplingTest, FindsTheTables) {
    EXPECT_FALSE(tables.is_empty());
    EXPECT_EQ(tables.draw(random), space.l1);
}

TEST_F(SamplingTest, DrawsPresentPagesOnlyAndAllOfThem) {
    std::set<std::uint64_t> drawn;
    for (const Watch& watch : watch(20'000)) {
        EXPECT_LT(watch.index, pages);
        EXPECT_EQ(entry::frame(words(space.l1)[watch.index]), Mfn{watch.page});
        drawn.insert(watch.index);
    }
    EXPECT_EQ(drawn.size(), pages);
}

TEST_F(SamplingTest, SeesWhatIsUsedMeanwhile) {
    const auto watches = watch(2'000);
    EXPECT_GT(watches.size(), 300U);
    EXPECT_EQ(look_at_pages(guest, watches).used, 0U);
    std::uint32_t used = 0;
    for (unsigned i = 0; i < pages / 4; ++i) // as a processor does
        words(space.l1)[i] |= entry::accessed;
    for (const Watch& watch : watches)
        used += watch.index < pages / 4 ? 1 : 0;
    EXPECT_EQ(look_at_pages(guest, watches).used, used);
    EXPECT_EQ(look_at_pages(guest, watches).looked_at, watches.size());
}

TEST_F(SamplingTest, LeavesNothingBehind) {
    const auto before = entries();
    const auto watches = watch(2'000);
    EXPECT_NE(entries(), before);
    end_watches(guest, watches);
    EXPECT_EQ(entries(), before);
}

TEST_F(SamplingTest, AnEntryThatTheGuestChangedIsItsOwn) {
    const auto watches = watch(2'000);
    const Mfn other = page(guest);
    EXPECT_TRUE(update(guest, space.l1, 0, 0));
    EXPECT_TRUE(update(guest, space.l1, 2, writable_entry(other)));
    const auto changed = entries();
    const auto seen = look_at_pages(guest, watches);
    EXPECT_LT(seen.looked_at, watches.size());
    end_watches(guest, watches);
    EXPECT_EQ(words(space.l1)[0], changed[0]);
    EXPECT_EQ(words(space.l1)[2], changed[2]);
}

TEST_F(SamplingTest, AFrameThatIsNoTableAnyMoreIsLeftAlone) {
    const auto watches = watch(200);
    EXPECT_TRUE(update(guest, space.l2, 0, 0)); // the L1 loses its last use
    const auto now = entries();
    EXPECT_EQ(look_at_pages(guest, watches).looked_at, 0U);
    end_watches(guest, watches);
    EXPECT_EQ(entries(), now);
    std::vector<Watch> more(64);
    EXPECT_EQ(begin_watches(guest, tables, more, random), 0U);
}

TEST_F(SamplingTest, AGuestWithoutTablesHasNone) {
    TableIndex none;
    none.begin();
    EXPECT_TRUE(none.go_on(dom0, random, soon_enough));
    EXPECT_TRUE(none.is_empty());
}

TEST_F(SamplingTest, TheIndexGoesOnWhereItStopped) {
    TableIndex slow;
    slow.begin();
    unsigned steps = 1;
    while (!slow.go_on(guest, random, RealTime{}))
        ++steps;
    EXPECT_GT(steps, 2U);
    EXPECT_EQ(slow.draw(random), space.l1);
}

} // namespace bulkhead::hv::host
