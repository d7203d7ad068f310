// The end of a domain, and the audit itself: that it sees what is wrong.
#include "tests/unit/mm_fixture.hpp"

namespace bulkhead::hv::host {

namespace {

template<class T>
T exchange(T& place, T value) {
    return std::exchange(place, value);
}
template<class T>
T exchange(std::atomic<T>& place, T value) {
    return place.exchange(value);
}

} // namespace

TEST_F(MemoryTest, EveryFrameOfADeadDomainReturns) {
    for (const std::uint64_t every : {0U, 1U, 3U, 50U}) {
        const auto free = frame_table().free_frames();
        auto& mortal = world.add_domain(400);
        const auto s = make_space(mortal);
        const auto user = make_space(mortal);
        for (unsigned i = 0; i < 100; ++i)
            words(s.l1)[i] = i % 3 != 0 ? writable_entry(page(mortal)) : readonly_entry(s.l1);
        run_on(mortal, s);
        ASSERT_TRUE(extended(mortal, MMUEXT_NEW_USER_BASEPTR, user.l4.value()));
        ASSERT_TRUE(extended(mortal, MMUEXT_PIN_L1_TABLE, page(mortal).value()));
        const auto gdt = page(mortal);
        ASSERT_TRUE(set_gdt(*mortal.vcpus[0], &gdt, 512));
        const auto info = page(mortal);
        ASSERT_TRUE(get_data(info, mortal, true));
        mortal.vcpus[0]->info_frame = info;
        world.machine.preempt_every = 1;
        expect_error(pin(make_space(mortal).l4, FrameType::l4, mortal), Error::restart); // abandoned
        world.machine.preempt_every = every;
        EXPECT_EQ(audit(), 0U) << world.machine.console;
        int parts = 1;
        Result<> outcome = relinquish_memory(mortal);
        for (; !outcome && outcome.error() == Error::restart; ++parts) {
            ASSERT_EQ(audit(), 0U) << world.machine.console;
            outcome = relinquish_memory(mortal);
        }
        EXPECT_TRUE(outcome);
        EXPECT_EQ(frame_table().free_frames(), free);
        EXPECT_EQ(parts > 1, every != 0);
        ASSERT_TRUE(world.remove_domain(mortal));
        world.machine.preempt_every = 0;
    }
}

TEST_F(MemoryTest, FramesThatOthersMapOutliveTheirDomain) {
    auto& mortal = world.add_domain(10);
    const auto data = page(mortal);
    page(mortal);
    const auto s = make_space(dom0);
    run_on(dom0, s);
    ASSERT_TRUE(update(dom0, s.l1, 0, writable_entry(data), 0, mortal.id.value()));
    expect_error(relinquish_memory(mortal), Error::busy);
    EXPECT_EQ(mortal.memory.frames.count, 1U);
    expect_error(relinquish_memory(mortal), Error::busy);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    ASSERT_TRUE(update(dom0, s.l1, 0, 0));
    EXPECT_TRUE(relinquish_memory(mortal));
    EXPECT_TRUE(world.remove_domain(mortal));
}

// Each damage is one that a bug could do; the audit must count at least one violation and change nothing
// itself.
TEST_F(MemoryTest, TheAuditSeesDamage) {
    const auto s = make_space(guest);
    const auto data = page(guest);
    words(s.l1)[0] = writable_entry(data);
    run_on(guest, s);
    ASSERT_EQ(audit(), 0U);
    world.machine.preempt_every = 2;
    const auto in_steps = [] {
        auto found = audit_in_steps();
        while (!found && found.error() == Error::restart)
            found = audit_in_steps();
        return found.value();
    };
    const auto damaged = [&](auto& place, auto value) {
        const auto before = exchange(place, value);
        const auto found = audit();
        EXPECT_EQ(in_steps(), found);
        place = before;
        EXPECT_EQ(audit(), 0U);
        EXPECT_EQ(in_steps(), 0U);
        return found > 0;
    };
    const auto counts = [](const Frame& of, std::uint32_t references, std::uint32_t type_references) {
        const auto kept = of.now().word() & (FrameCounts::one_typed_use - 1);
        return kept + references * FrameCounts::one_reference + type_references * FrameCounts::one_typed_use;
    };
    auto& table = frame_table().at(s.l1);
    auto& page_frame = frame_table().at(data);
    auto& free = frame_table().at(Mfn{1000});
    ASSERT_TRUE(free.belongs_to(Owner::nobody()));
    EXPECT_TRUE(damaged(page_frame.counts, counts(page_frame, 1, 1)));
    EXPECT_TRUE(damaged(page_frame.counts, counts(page_frame, 3, 1)));
    EXPECT_TRUE(damaged(page_frame.counts, counts(page_frame, 2, 0)));
    EXPECT_TRUE(damaged(page_frame.counts, page_frame.now().with_type(FrameType::l1).word()));
    EXPECT_TRUE(damaged(page_frame.owner, Owner{DomainId{77}}));
    EXPECT_TRUE(damaged(page_frame.owner, Owner{dom0.id}));
    EXPECT_TRUE(damaged(table.counts, table.now().with_type(FrameType::writable).word()));
    EXPECT_TRUE(damaged(words(s.l1)[1], writable_entry(s.l1))); // the one that matters most
    EXPECT_TRUE(damaged(words(s.l1)[1], readonly_entry(data)));
    EXPECT_TRUE(damaged(words(s.l1)[1], readonly_entry(Mfn{1000})));
    EXPECT_TRUE(damaged(words(s.l1)[0], std::uint64_t{0}));
    EXPECT_TRUE(damaged(words(s.l1)[0], writable_entry(data) | entry::global));
    EXPECT_TRUE(damaged(words(s.l2)[0], table_entry(s.l1) | entry::large));
    EXPECT_TRUE(damaged(words(s.l4)[260], std::uint64_t{0}));
    EXPECT_TRUE(damaged(guest.vcpus[0]->tables.kernel_root, Mfn{}));
    EXPECT_TRUE(damaged(guest.vcpus[0]->tables.user_root, s.l4));
    EXPECT_TRUE(damaged(guest.memory.frames.count, std::uint64_t{3}));
    EXPECT_TRUE(damaged(guest.memory.max_frames, std::uint64_t{3}));
    EXPECT_TRUE(damaged(free.counts, counts(free, 1, 0)));
    EXPECT_TRUE(damaged(free.counts, free.now().with_type(FrameType::writable).word()));
    EXPECT_TRUE(damaged(free.next, 0U));
    EXPECT_TRUE(damaged(table.next, 0U));
    const auto flag = [&](auto set) {
        set(1);
        const auto found = audit();
        EXPECT_EQ(in_steps(), found);
        set(0);
        return found > 0;
    };
    EXPECT_TRUE(flag([&](unsigned on) { page_frame.pinned = on & 1; }));
    EXPECT_TRUE(damaged(page_frame.counts, page_frame.now().word() ^ FrameCounts::partial_bit));
    EXPECT_TRUE(damaged(page_frame.counts, page_frame.now().word() ^ FrameCounts::validated_bit));
    EXPECT_TRUE(flag([&](unsigned on) { page_frame.active = on & 1; }));
    EXPECT_TRUE(damaged(page_frame.shared, true));
    EXPECT_TRUE(flag([&](unsigned on) { page_frame.held = ~on & 1; }));
    EXPECT_NE(world.machine.console.find("audit: frame"), std::string::npos);
}

// With a clock that runs out at every question, the time between two questions shows the longest step.
TEST_F(MemoryTest, TheAuditInStepsAsksOftenWhetherToStop) {
    const auto s = make_space(guest);
    for (unsigned i = 0; i < 200; ++i)
        words(s.l1)[i] = writable_entry(page(guest));
    run_on(guest, s);
    world.machine.preempt_every = 1;
    unsigned steps = 0;
    while (audit_in_steps() == fail(Error::restart))
        ++steps;
    EXPECT_GT(steps, frame_table().size() / 32 + 512 / 32);
}

} // namespace bulkhead::hv::host
