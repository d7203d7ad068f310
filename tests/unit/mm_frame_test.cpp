// Frames: allocation, quota, references, runs, and pages lent by the hypervisor.
#include "tests/unit/mm_fixture.hpp"

#include <algorithm>
#include <span>

namespace bulkhead::hv::host {

TEST_F(MemoryTest, FramesComeWipedEvenFromFormerOwners) {
    const auto first = page(guest);
    std::ranges::fill(std::span{words(first), 512}, 0x5ec3e7);
    const auto free = frame_table().free_frames();
    ASSERT_TRUE(frame_table().release(first, guest));
    EXPECT_EQ(frame_table().free_frames(), free + 1);
    dom0.memory.max_frames = 2000;
    bool seen = false;
    while (const auto mfn = frame_table().allocate(dom0)) {
        seen |= *mfn == first;
        EXPECT_TRUE(std::ranges::all_of(std::span{words(*mfn), 512}, [](auto w) { return w == 0; }));
    }
    EXPECT_TRUE(seen);
    EXPECT_EQ(frame_table().free_frames(), 0U);
}

TEST_F(MemoryTest, QuotaBounds) {
    guest.memory.max_frames = 3;
    for (int i = 0; i < 3; ++i)
        page(guest);
    expect_error(frame_table().allocate(guest), Error::no_memory);
    expect_error(frame_table().allocate_run(guest, 1), Error::no_memory);
    EXPECT_EQ(guest.memory.frames.count, 3U);
    EXPECT_EQ(guest.memory.frames_peak, 3U);
}

// `greedy` takes all that it can get; the other one has its promise, and the hypervisor its reserve.
TEST_F(MemoryTest, NobodyReachesWhatIsPromisedToOthersOrReserved) {
    constexpr std::uint64_t own = 20, metadata = 6, reserve = 8;
    frame_table().keep_reserve(reserve);
    guest.memory.max_frames = 400;
    guest.memory.max_metadata = 50;
    ASSERT_TRUE(frame_table().promise(guest.memory, own, metadata));
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    auto& greedy = world.add_domain(100'000);
    greedy.memory.max_metadata = 100'000;
    while (frame_table().allocate(greedy))
        if (!frame_table().allocate_metadata(greedy.memory))
            break;
    expect_error(frame_table().allocate(greedy), Error::no_memory);
    expect_error(frame_table().allocate_metadata(greedy.memory), Error::no_memory);
    expect_error(frame_table().allocate_run(greedy, 1), Error::no_memory);
    auto& late = world.add_domain(100);
    expect_error(frame_table().promise(late.memory, 1, 0), Error::no_memory);
    EXPECT_EQ(frame_table().free_frames(), own + metadata + reserve);

    for (std::uint64_t i = 0; i < own; ++i)
        page(guest);
    std::vector<Mfn> taken;
    for (std::uint64_t i = 0; i < metadata; ++i)
        taken.push_back(frame_table().allocate_metadata(guest.memory).value());
    expect_error(frame_table().allocate(guest), Error::no_memory);
    expect_error(frame_table().allocate_metadata(guest.memory), Error::no_memory);
    frame_table().free_metadata(taken.back(), guest.memory); // set aside again
    expect_error(frame_table().allocate(greedy), Error::no_memory);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    taken.back() = frame_table().allocate_metadata(guest.memory).value();

    std::uint64_t left = 0;
    std::vector<Mfn> used;
    while (const auto mfn = frame_table().allocate_for_hypervisor()) {
        used.push_back(*mfn);
        ++left;
    }
    EXPECT_EQ(left, reserve);
    for (const auto mfn : used)
        frame_table().free_for_hypervisor(mfn);
    for (const auto mfn : taken)
        frame_table().free_metadata(mfn, guest.memory);
    frame_table().end_promise(guest.memory);
    EXPECT_EQ(frame_table().promised_frames(), 0U);
    EXPECT_TRUE(frame_table().allocate(greedy));
    EXPECT_EQ(audit(), 0U) << world.machine.console;
}

TEST_F(MemoryTest, AnExchangeNeedsNoMemoryOfThePool) {
    frame_table().keep_reserve(4);
    guest.memory.max_frames = 100'000;
    Mfn last{};
    while (const auto mfn = frame_table().allocate(guest))
        last = *mfn;
    const auto count = guest.memory.frames.count;
    while (frame_table().free_frames() > 1) // the hypervisor uses its reserve
        ASSERT_TRUE(frame_table().allocate_for_hypervisor());
    const auto fresh = frame_table().exchange(last, guest);
    ASSERT_TRUE(fresh);
    EXPECT_NE(*fresh, last);
    EXPECT_EQ(guest.memory.frames.count, count);
    EXPECT_EQ(frame_table().free_frames(), 1U);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    ASSERT_TRUE(frame_table().allocate_for_hypervisor());
    expect_error(frame_table().exchange(*fresh, guest), Error::no_memory);
}

TEST_F(MemoryTest, ReleaseOnceAndOnlyOnesOwn) {
    const auto mfn = page(guest);
    expect_error(frame_table().release(mfn, dom0), Error::invalid);
    ASSERT_TRUE(get_data(mfn, guest, false));
    ASSERT_TRUE(frame_table().release(mfn, guest));
    expect_error(frame_table().release(mfn, guest), Error::invalid);
    EXPECT_EQ(guest.memory.frames.count, 1U); // still referred to: still charged
    put_data(mfn, false);
    EXPECT_EQ(guest.memory.frames.count, 0U);
    expect_error(frame_table().release(Mfn{~0ULL}, guest), Error::invalid);
    expect_error(frame_table().release(Mfn{0}, guest), Error::invalid);
}

TEST_F(MemoryTest, AFreedFramesOldTranslationsAreFlushedBeforeItIsReused) {
    guest.memory.max_frames = 2000;
    std::vector<Mfn> all;
    while (const auto mfn = frame_table().allocate(guest))
        all.push_back(*mfn);
    const auto flushes = world.machine.flushes;
    ASSERT_TRUE(frame_table().release(all[5], guest));
    EXPECT_EQ(page(guest), all[5]);
    EXPECT_EQ(world.machine.flushes, flushes + 1);
}

TEST_F(MemoryTest, RunsAreAlignedAndContiguous) {
    const auto hole = page(guest); // makes the first run impossible
    EXPECT_EQ(hole, Mfn{1});
    const auto run = frame_table().allocate_run(guest, 3);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->value() % 8, 0U);
    for (std::uint64_t i = 0; i < 8; ++i)
        EXPECT_EQ(frame(Mfn{run->value() + i}).owner.load(), Owner{guest.id});
    EXPECT_EQ(guest.memory.frames.count, 9U);
    expect_error(frame_table().allocate_run(guest, 4), Error::no_memory);
    expect_error(frame_table().allocate_run(guest, 200), Error::no_memory);
}

TEST_F(MemoryTest, ContiguousForTheHypervisor) {
    const auto frames = frame_table().allocate_contiguous(37);
    ASSERT_TRUE(frames);
    EXPECT_EQ(frames->value() % 64, 0U);
    EXPECT_EQ(audit(), 0U);
    for (std::uint64_t i = 0; i < 37; ++i)
        frame_table().free_for_hypervisor(Mfn{frames->value() + i});
    expect_error(frame_table().allocate_contiguous(0), Error::no_memory);
    expect_error(frame_table().allocate_contiguous(5000), Error::no_memory);
}

TEST_F(MemoryTest, LentPagesComeBackOnlyUnmapped) {
    const auto lent = frame_table().allocate_for_hypervisor();
    ASSERT_TRUE(lent);
    frame_table().share(*lent, guest);
    EXPECT_EQ(guest.memory.frames.count, 0U);
    const auto s = make_space(guest);
    words(s.l1)[3] = writable_entry(*lent);
    run_on(guest, s);
    expect_error(frame_table().take_back(*lent), Error::busy);
    for (const auto type : {FrameType::l1, FrameType::l4, FrameType::descriptors})
        expect_error(get_typed(*lent, type, guest), Error::invalid);
    expect_error(frame_table().release(*lent, guest), Error::invalid);
    ASSERT_TRUE(update(guest, s.l1, 3, 0));
    for (const auto type : {FrameType::l1, FrameType::l4, FrameType::descriptors})
        expect_error(get_typed(*lent, type, guest), Error::invalid);
    ASSERT_TRUE(frame_table().take_back(*lent));
    frame_table().free_for_hypervisor(*lent);
}

TEST_F(MemoryTest, ReferenceCountsDontOverflow) {
    const auto mfn = page(guest);
    auto& f = frame_table().at(mfn);
    f.counts = max_references * FrameCounts::one_reference;
    expect_error(get_data(mfn, guest, false), Error::busy);
    expect_error(get_data(mfn, guest, true), Error::busy);
    expect_error(pin(mfn, FrameType::l1, guest), Error::busy);
    const auto s = make_space(guest);
    words(s.l1)[0] = readonly_entry(mfn);
    EXPECT_FALSE(extended(guest, MMUEXT_PIN_L1_TABLE, s.l1.value()));
    f.counts = FrameCounts::one_reference;
}

TEST_F(MemoryTest, MisuseByTheHypervisorPanics) {
    const auto mfn = page(guest);
    EXPECT_THROW(frame_table().free_for_hypervisor(mfn), Panic);
    EXPECT_THROW(frame_table().share(mfn, guest), Panic);
    EXPECT_THROW(frame_table().add_free(mfn, 1), Panic);
}

} // namespace bulkhead::hv::host
