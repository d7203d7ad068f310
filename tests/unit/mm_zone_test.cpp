// Zones of memory: where frames come from, extents of 2 MiB, and what the audit says.
#include "tests/unit/mm_fixture.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace bulkhead::hv::host {

namespace {

constexpr std::uint64_t machine_frames = 6'000, zoned = 5'000;

class ZoneTest : public ::testing::Test {
  protected:
    ZoneTest() : dom0{world.add_domain(400)}, guest{world.add_domain(machine_frames)} {}
    void TearDown() override { EXPECT_EQ(audit(), 0U) << world.machine.console; }

    static const Zones& zones() { return frame_table().zones(); }
    static void cut(ZoneKind kind, std::uint32_t count) {
        ASSERT_TRUE(frame_table().cut(kind, count, zoned));
        EXPECT_EQ(audit(), 0U);
    }
    static std::uint32_t zone_of(Mfn mfn) {
        const Frame& frame = frame_table().at(mfn);
        EXPECT_TRUE(frame.is_zoned());
        return frame.zone();
    }
    Mfn take(Domain& domain, std::uint32_t zone) {
        frame_table().add_due(domain.memory, zone, 1);
        return frame_table().allocate(domain).value();
    }
    // As a guest's call does: again, until it is done.
    Result<Mfn> take_extent(Domain& domain, std::uint64_t pfn) {
        for (;;)
            if (const auto made = frame_table().allocate_run(domain, extent_order, pfn);
                made || made.error() != Error::restart)
                return made;
    }

    World world{machine_frames};
    Domain& dom0;
    Domain& guest;
};

} // namespace

TEST_F(ZoneTest, PartsAreContiguousAndBeginWithAnExtent) {
    const auto free = frame_table().free_frames();
    cut(ZoneKind::parts, 4);
    std::uint64_t sum = 0;
    for (std::uint32_t zone = 0; zone < 4; ++zone) {
        const auto& its = zones().at(zone);
        EXPECT_EQ(its.start % extent_frames, 0U);
        EXPECT_EQ(its.end - its.start, its.frames);
        EXPECT_GE(its.frames, extent_frames);
        EXPECT_EQ(its.free, its.frames);
        sum += its.frames;
    }
    EXPECT_LE(sum, zoned);
    EXPECT_GT(sum, zoned - extent_frames);
    EXPECT_EQ(frame_table().free_frames(), free - 1) << "but for the table of cells";
}

TEST_F(ZoneTest, ColoursAreNumbersOfFrames) {
    cut(ZoneKind::colours, 8);
    for (std::uint32_t zone = 0; zone < 8; ++zone) {
        EXPECT_EQ(zones().at(zone).frames, zoned / 8);
        EXPECT_EQ(take(guest, zone).value() % 8, zone);
    }
    frame_table().add_due(guest.memory, 3, 8);
    EXPECT_FALSE(frame_table().allocate_run(guest, 1)) << "neighbours have different colours";
    EXPECT_FALSE(take_extent(guest, 0));
}

TEST_F(ZoneTest, FramesComeFromTheZoneInWhichTheyAreDue) {
    cut(ZoneKind::parts, 4);
    for (const std::uint32_t zone : {2U, 0U, 3U, 2U}) {
        const auto free = zones().at(zone).free;
        const auto mfn = take(guest, zone);
        EXPECT_EQ(zone_of(mfn), zone);
        EXPECT_EQ(zones().at(zone).free, free - 1);
        EXPECT_EQ(audit(), 0U) << world.machine.console;
        ASSERT_TRUE(frame_table().release(mfn, guest));
        EXPECT_EQ(zones().at(zone).free, free);
    }
    frame_table().add_due(guest.memory, 1, 8);
    const auto run = frame_table().allocate_run(guest, 3);
    ASSERT_TRUE(run);
    EXPECT_EQ(zone_of(*run), 1U);
    EXPECT_EQ(guest.memory.zones.has[1], 8U);
    EXPECT_EQ(guest.memory.zones.due[1], 0U);
}

// Its own frames are those of no zone. When they are used up, it takes those of the emptiest zone.
TEST_F(ZoneTest, TheHypervisorLeavesZonesAloneAsLongAsItCan) {
    cut(ZoneKind::parts, 4);
    while (frame_table().free_list().count != 0)
        ASSERT_FALSE(frame_table().at(frame_table().allocate_for_hypervisor().value()).is_zoned());
    const auto mfn = take(guest, 2);
    const auto fullest = zones().emptiest();
    EXPECT_EQ(zone_of(frame_table().allocate_for_hypervisor().value()), fullest);
    EXPECT_EQ(zone_of(mfn), 2U);
}

// The promise holds although the zone is used up.
TEST_F(ZoneTest, APromisedFrameIsThereThoughItsZoneIsEmpty) {
    cut(ZoneKind::parts, 4);
    ASSERT_TRUE(frame_table().promise(guest.memory, 3, 0));
    frame_table().add_due(guest.memory, 1, 3);
    auto& other = world.add_domain(machine_frames);
    while (zones().at(1).free != 0)
        static_cast<void>(take(other, 1));
    const auto mfn = frame_table().allocate(guest);
    ASSERT_TRUE(mfn);
    EXPECT_EQ(guest.memory.zones.due[1], 2U);
    frame_table().end_promise(guest.memory);
    EXPECT_EQ(guest.memory.zones.due[1], 0U);
}

TEST_F(ZoneTest, AnExchangeStaysInItsZone) {
    cut(ZoneKind::colours, 4);
    const auto old = take(guest, 3);
    const auto fresh = frame_table().exchange(old, guest);
    ASSERT_TRUE(fresh);
    EXPECT_NE(*fresh, old);
    EXPECT_EQ(zone_of(*fresh), 3U);
    while (zones().at(3).free != 0)
        static_cast<void>(take(guest, 3));
    EXPECT_FALSE(frame_table().exchange(*fresh, guest)) << "none of its zone is free";
    EXPECT_GT(frame_table().free_frames(), 0U);
}

TEST_F(ZoneTest, AnExtentIsWipedAlignedAndOfOneZone) {
    cut(ZoneKind::parts, 4);
    for (std::uint64_t i = zones().at(2).start; i < zones().at(2).end; ++i)
        std::fill_n(world.machine.words(Mfn{i}), page_bytes / 8, 0x5ec3e7);
    world.machine.preempt_every = 1; // between any two frames
    frame_table().add_due(guest.memory, 2, extent_frames);
    const auto free = frame_table().free_frames();
    const auto made = take_extent(guest, 1'000);
    ASSERT_TRUE(made);
    EXPECT_GE(world.machine.preempt_questions, extent_frames - 1);
    EXPECT_EQ(made->value() % extent_frames, 0U);
    for (std::uint64_t i = 0; i < extent_frames; ++i) {
        const Mfn mfn{made->value() + i};
        ASSERT_EQ(zone_of(mfn), 2U);
        ASSERT_TRUE(std::ranges::all_of(std::span{world.machine.words(mfn), page_bytes / 8},
                                        [](auto word) { return word == 0; }));
    }
    EXPECT_EQ(guest.memory.zones.has[2], extent_frames);
    EXPECT_EQ(guest.memory.zones.due[2], 0U);
    EXPECT_EQ(frame_table().free_frames(), free - extent_frames);
}

TEST_F(ZoneTest, OneFrameTakenBreaksAnExtentAndItsReturnMakesItWhole) {
    cut(ZoneKind::parts, 4);
    std::vector<Mfn> taken;
    const auto extents = zones().at(0).frames / extent_frames;
    frame_table().add_due(guest.memory, 0, static_cast<std::uint32_t>(zones().at(0).frames));
    while (guest.memory.zones.due[0] != 0)
        taken.push_back(frame_table().allocate(guest).value());
    std::vector<Mfn> kept; // one of each extent
    for (const Mfn mfn : taken)
        if (mfn.value() % extent_frames == 77)
            kept.push_back(mfn);
        else
            ASSERT_TRUE(frame_table().release(mfn, guest));
    EXPECT_EQ(kept.size(), extents);
    frame_table().add_due(guest.memory, 0, extent_frames);
    EXPECT_FALSE(take_extent(guest, 0));
    ASSERT_TRUE(frame_table().release(kept.back(), guest));
    EXPECT_EQ(take_extent(guest, 0).value().value() / extent_frames, kept.back().value() / extent_frames);
}

TEST_F(ZoneTest, AnExtentNeedsItsGrantAndItsQuota) {
    cut(ZoneKind::parts, 4);
    EXPECT_FALSE(take_extent(guest, 0));
    frame_table().add_due(guest.memory, 0, extent_frames - 1);
    EXPECT_FALSE(take_extent(guest, 0));
    frame_table().add_due(guest.memory, 0, 1);
    guest.memory.max_frames = extent_frames - 1;
    EXPECT_FALSE(take_extent(guest, 0));
    guest.memory.max_frames = extent_frames;
    EXPECT_TRUE(take_extent(guest, 0));
    EXPECT_FALSE(frame_table().allocate(guest));
}

TEST_F(ZoneTest, AnExtentUnderWayCountsAndNobodyElseGetsItsFrames) {
    cut(ZoneKind::parts, 4);
    world.machine.preempt_every = 1;
    frame_table().add_due(guest.memory, 1, extent_frames);
    guest.memory.max_frames = extent_frames + 1;
    ASSERT_FALSE(frame_table().allocate_run(guest, extent_order, 0));
    EXPECT_EQ(guest.memory.extent.left(), extent_frames - 1);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    const auto first = guest.memory.extent.first;
    ASSERT_TRUE(frame_table().allocate(guest));
    EXPECT_FALSE(frame_table().allocate(guest)) << "beyond its quota";

    // A frame of it that the guest gives back already is free for others, and no other is.
    ASSERT_TRUE(frame_table().release(Mfn{first}, guest));
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    auto& other = world.add_domain(machine_frames);
    std::set<std::uint64_t> of_it;
    while (zones().at(1).free != 0)
        if (const auto mfn = take(other, 1); mfn.value() / extent_frames == first / extent_frames)
            of_it.insert(mfn.value());
    EXPECT_EQ(of_it, std::set<std::uint64_t>{first});
    EXPECT_EQ(audit(), 0U) << world.machine.console;
}

// Nor by runs, which are searched for in the frame table.
TEST_F(ZoneTest, NoRunTakesAFrameOfAnExtentUnderWay) {
    cut(ZoneKind::parts, 4);
    world.machine.preempt_every = 1;
    frame_table().add_due(guest.memory, 1, extent_frames);
    ASSERT_FALSE(frame_table().allocate_run(guest, extent_order, 0));
    const auto cell = guest.memory.extent.first / extent_frames;
    auto& other = world.add_domain(machine_frames);
    frame_table().add_due(other.memory, 1, static_cast<std::uint32_t>(zones().at(1).free));
    unsigned runs = 0, misses = 0;
    while (misses < 64) // each looks at a part of the machine
        if (const auto run = frame_table().allocate_run(other, max_run_order, 0)) {
            EXPECT_NE(run->value() / extent_frames, cell);
            ++runs;
        } else {
            ++misses;
        }
    EXPECT_GT(runs, zones().at(1).frames >> max_run_order) << "all of the zone's and more";
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    world.machine.preempt_every = 0;
    EXPECT_TRUE(take_extent(guest, 0));
}

TEST_F(ZoneTest, TheEndOfADomainEndsItsExtent) {
    cut(ZoneKind::parts, 4);
    const auto free = frame_table().free_frames();
    auto& dying = world.add_domain(machine_frames);
    world.machine.preempt_every = 1;
    frame_table().add_due(dying.memory, 1, extent_frames);
    for (int i = 0; i < 5; ++i)
        ASSERT_FALSE(frame_table().allocate_run(dying, extent_order, 0));
    ASSERT_TRUE(world.remove_domain(dying));
    EXPECT_EQ(frame_table().free_frames(), free);
    frame_table().add_due(guest.memory, 1, static_cast<std::uint32_t>(zones().at(1).frames));
    for (std::uint64_t i = 0; i < zones().at(1).frames / extent_frames; ++i)
        EXPECT_TRUE(take_extent(guest, 0)) << "all extents are whole";
}

// A second request waits for the first one, and takes its place if that is not called again.
TEST_F(ZoneTest, AnExtentThatNobodyComesForIsGivenUp) {
    cut(ZoneKind::parts, 4);
    world.machine.preempt_every = 1;
    frame_table().add_due(guest.memory, 1, extent_frames);
    for (int i = 0; i < 9; ++i)
        ASSERT_FALSE(frame_table().allocate_run(guest, extent_order, 0));
    for (int i = 0; i < 500; ++i)
        ASSERT_FALSE(frame_table().allocate_run(guest, extent_order, 4'096));
    EXPECT_EQ(guest.memory.frames.count, 9U) << "it waits";
    ASSERT_FALSE(frame_table().allocate_run(guest, extent_order, 0));
    EXPECT_EQ(guest.memory.frames.count, 10U);
    for (int i = 0; i < 2'000 && guest.memory.extent.is_under_way(); ++i)
        ASSERT_FALSE(frame_table().allocate_run(guest, extent_order, 4'096));
    EXPECT_EQ(guest.memory.frames.count, 0U);
    frame_table().add_due(guest.memory, 1, extent_frames);
    EXPECT_TRUE(take_extent(guest, 4'096));
}

TEST_F(ZoneTest, AMachineTooSmallForItsZonesIsRefused) {
    const auto cut = frame_table().cut(ZoneKind::parts, 64, 1'000);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error(), Error::no_memory);
}

TEST_F(ZoneTest, TheAuditFindsAFrameInAnotherZone) {
    cut(ZoneKind::parts, 4);
    const auto mfn = take(guest, 2);
    auto& frame = frame_table().at(mfn);
    frame.place = Frame::place_of(1);
    EXPECT_NE(audit(), 0U);
    frame.place = Frame::place_of(2);
    ++guest.memory.zones.has[0];
    EXPECT_NE(audit(), 0U);
    --guest.memory.zones.has[0];
}

} // namespace bulkhead::hv::host
