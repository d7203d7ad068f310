// The host of memory policies in a world of its own: whatever fails at whatever moment, no frame is lost, no
// domain is forgotten, and some policy is in charge.
#include "tests/unit/host_memory_fixture.hpp"

#include <limits>

namespace bulkhead::host_test::memory {
namespace {

using Hook = memctl::Hook;

TEST_F(Memory, DomainsComeTakeGiveAndGo) {
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 10, 500));
    ASSERT_TRUE(admit(1, 10, 900));
    EXPECT_EQ(host_.populate(machine_.domains[0], Frames{600}), Frames{500});
    EXPECT_EQ(host_.populate(machine_.domains[1], Frames{600}), Frames{500});
    EXPECT_EQ(host_.free(), Frames{});
    audit();
    depart(0);
    EXPECT_EQ(host_.free(), Frames{500});
    EXPECT_EQ(machine_.domains[1].memory.target, Frames{900});
    EXPECT_EQ(ground_.forgotten, 1U);
    audit();
}

TEST_F(Memory, ASwapKeepsFramesAndTellsTheNewPolicyOfEveryDomain) {
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 10, 300));
    ASSERT_TRUE(admit(3, 10, 300));
    host_.populate(machine_.domains[3], Frames{200});
    ASSERT_TRUE(host_.replace(large, nullptr));
    EXPECT_EQ(book.known, 0b1001U);
    EXPECT_EQ(machine_.domains[3].memory.has, Frames{200});
    EXPECT_EQ(ground_.changes, 2U);
    EXPECT_EQ(ground_.took_over, 2U);
    audit();
}

// What the policy saw last of the domain.
const memctl::Domain& seen(const MemoryMachine& machine, std::size_t which) {
    return *machine.domains[which].memory.policy;
}

TEST_F(Memory, PressureIsWhatTheGuestClaimsSinceTheLastRebalance) {
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 10, 500));
    EXPECT_FALSE(seen(machine_, 0).memory_pressure.is_measured);
    ground_.now += milliseconds(100);
    host_.stalled(machine_.domains[0], milliseconds(3), 1);
    host_.stalled(machine_.domains[0], milliseconds(4), 2);
    host_.rebalance();
    EXPECT_EQ(seen(machine_, 0).memory_pressure.stalled, milliseconds(7));
    EXPECT_EQ(seen(machine_, 0).memory_pressure.refaults, 3U);
    ground_.now += milliseconds(100);
    host_.rebalance();
    EXPECT_EQ(seen(machine_, 0).memory_pressure.stalled, Nanos{});
    EXPECT_EQ(seen(machine_, 0).memory_pressure.refaults, 0U);
    EXPECT_TRUE(seen(machine_, 0).memory_pressure.is_measured);
}

TEST_F(Memory, NoClaimIsLongerThanTheTimeThatPassed) {
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 10, 500));
    ground_.now += milliseconds(20);
    for (int i = 0; i < 3; ++i)
        host_.stalled(machine_.domains[0], Nanos{std::numeric_limits<std::int64_t>::max()}, 1);
    host_.stalled(machine_.domains[0], Nanos{-1}, 1);
    host_.rebalance();
    EXPECT_EQ(seen(machine_, 0).memory_pressure.stalled, milliseconds(20));
}

// Two domains share 1,000 frames; the first loses some to the second, which comes later.
TEST_F(Memory, ABalloonIsMovingStuckOrAbsent) {
    using memctl::Balloon;
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 10, 900));
    host_.populate(machine_.domains[0], Frames{900});
    const auto later = [&](Nanos passed) {
        ground_.now += passed;
        host_.rebalance();
        return seen(machine_, 0).balloon;
    };
    EXPECT_EQ(later(milliseconds(900)), Balloon::settled);
    ASSERT_TRUE(admit(1, 400, 900)); // 600 are left for the first one
    EXPECT_EQ(later(milliseconds(499)), Balloon::moving);
    EXPECT_EQ(later(milliseconds(1)), Balloon::absent);
    host_.take_back(machine_.domains[0], Frames{1}); // by force
    EXPECT_EQ(later(milliseconds(1)), Balloon::absent);
    host_.release(machine_.domains[0], Frames{1});
    EXPECT_EQ(later(milliseconds(499)), Balloon::moving);
    EXPECT_EQ(later(milliseconds(1)), Balloon::stuck);
    host_.release(machine_.domains[0], Frames{298});
    EXPECT_EQ(later(milliseconds(1)), Balloon::settled);
    audit();
}

TEST_F(Memory, FramesPartedWithOutsideOfACallMoveTheBalloonToo) {
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 10, 900));
    host_.populate(machine_.domains[0], Frames{600});
    ASSERT_TRUE(admit(1, 500, 900));
    ground_.now += milliseconds(500);
    machine_.domains[0].of_zone[0] -= Frames{50};
    host_.settle(machine_.domains[0], memctl::ZoneId{0}, Frames{550});
    host_.rebalance();
    EXPECT_EQ(seen(machine_, 0).balloon, memctl::Balloon::moving);
    audit();
}

class MemoryFault : public Memory, public testing::WithParamInterface<Hook> {};

// The hook fails at some moment of a random life; the fallback has everything and goes on.
TEST_P(MemoryFault, EndsInTheFallback) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937_64 engine{seed};
        const int after = static_cast<int>(seed) * 25;
        if (seed == 1)
            host_.start(small, nullptr);
        else {
            ASSERT_TRUE(host_.replace(small, nullptr));
        }
        ground_.report = {};
        ground_.ejections = 0;
        for (int i = 0; i < 400; ++i) {
            if (i == after)
                ground_.fail_in(GetParam());
            if (i == after && GetParam() == Hook::create) {
                ASSERT_TRUE(host_.replace(large, nullptr));
            }
            act(engine);
            audit();
            ASSERT_FALSE(HasFailure()) << "step " << i;
        }
        EXPECT_TRUE(host_.is_built_in());
        EXPECT_EQ(ground_.ejections, 1U);
        EXPECT_EQ(ground_.report.hook, static_cast<std::uint32_t>(GetParam()));
        EXPECT_EQ(ground_.report.ejected, static_cast<std::uint32_t>(plugin::Fault::trapped));
        EXPECT_STREQ(ground_.why, "a processor exception");
    }
}
INSTANTIATE_TEST_SUITE_P(Hooks, MemoryFault,
                         testing::Values(Hook::create, Hook::admit, Hook::depart, Hook::choose,
                                         Hook::rebalance, Hook::sample, Hook::reclaim, Hook::tune));

TEST_F(Memory, AWrongAnswerEndsInTheFallback) {
    bool Book::* const wrongs[] = {&Book::admits_all, &Book::gives_too_much, &Book::promises_too_much,
                                   &Book::reclaims_too_much};
    constexpr Hook hooks[] = {Hook::admit, Hook::choose, Hook::rebalance, Hook::reclaim};
    host_.start(small, nullptr);
    for (std::size_t i = 0; i < std::size(wrongs); ++i) {
        SCOPED_TRACE(i);
        ASSERT_TRUE(host_.replace(small, nullptr));
        ground_.report = {};
        book.*wrongs[i] = true;
        std::mt19937_64 engine{i};
        for (int step = 0; step < 400; ++step) {
            if (step == 200 && hooks[i] == Hook::admit)
                for (std::size_t which = 0; which < MemoryMachine::most_domains; ++which)
                    if (!is_in(which))
                        static_cast<void>(admit(which, 990, 999));
            act(engine);
            audit();
            ASSERT_FALSE(HasFailure()) << "step " << step;
        }
        book.*wrongs[i] = false;
        EXPECT_TRUE(host_.is_built_in());
        EXPECT_EQ(ground_.report.hook, static_cast<std::uint32_t>(hooks[i]));
        EXPECT_EQ(ground_.report.ejected, static_cast<std::uint32_t>(plugin::Fault::wrong_answer));
    }
}

// Every n-th page is refused while policies are swapped and domains come: then the former policy stays, the
// domain stays outside, and nothing else happens.
TEST_F(Memory, WhereMemoryIsShortNothingChanges) {
    host_.start(small, nullptr);
    int refused = 0;
    for (std::uint32_t every = 1; every <= 24; ++every) {
        SCOPED_TRACE(every);
        std::mt19937_64 engine{every};
        for (int i = 0; i < 30; ++i) {
            act(engine);
            ground_.refuse_pages(every);
            const auto* const before = &host_.descriptor();
            const auto made = book.made;
            const bool swapped = host_.replace(i % 2 == 0 ? large : small, nullptr);
            ground_.refuse_pages(0);
            EXPECT_EQ(book.made, made + (swapped ? 1 : 0));
            if (!swapped) {
                ++refused;
                EXPECT_EQ(&host_.descriptor(), before);
            }
            audit();
            ASSERT_FALSE(HasFailure()) << "step " << i;
        }
    }
    EXPECT_GT(refused, 3);
    EXPECT_EQ(ground_.ejections, 0U);
}

TEST_F(Memory, ADomainWithoutMemoryForItsPartStaysOutside) {
    host_.start(large, nullptr);
    ASSERT_TRUE(admit(0, 10, 100));
    ground_.refuse_pages(1);
    EXPECT_FALSE(admit(5, 10, 100));
    ground_.refuse_pages(0);
    audit();
    EXPECT_TRUE(admit(5, 10, 100));
    audit();
}

TEST_F(Memory, WithoutMemoryForTheFallbackTheHostGivesUp) {
    ground_.refuse_pages(1);
    EXPECT_THROW(host_.start(small, nullptr), GaveUp);
}

TEST_F(Memory, TheFallbackTakesOverWithoutAnyMemory) {
    host_.start(small, nullptr);
    ASSERT_TRUE(admit(0, 1, 10));
    ground_.refuse_pages(1);
    ground_.fail_in(Hook::admit);
    EXPECT_TRUE(admit(1, 1, 10)); // its parts share the first one's pages
    EXPECT_EQ(ground_.ejections, 1U);
    audit();
}

} // namespace
} // namespace bulkhead::host_test::memory
