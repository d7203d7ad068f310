// The host of ring policies in a world of its own: whatever fails at whatever moment, no request is lost or
// served twice, the device does not idle, and some policy is in charge.
#include "tests/unit/host_ring_fixture.hpp"

namespace bulkhead::host_test::ring {
namespace {

using Hook = ringctl::Hook;

// Serves its only request, and has no complete.
class Deaf : public ringctl::Policy {
  public:
    struct Request : ringctl::Request {};
    static constexpr ringctl::Text text{
        .name = "deaf", .summary = "for tests", .good_at = "tests", .bad_at = "the rest", .source = "none"};
    explicit Deaf(const ringctl::Setup<Deaf>&) {}
    void enqueue(Request& request, RealTime) { only_ = &request; }
    void withdraw(Request&) { only_ = nullptr; }
    ringctl::Decision next(RealTime) { return ringctl::Decision::serve(*only_); }

  private:
    Request* only_ = nullptr;
};
const Plugin deaf{&ringctl::Registration<Deaf>::descriptor};

// Hooks that one request costs from its queue to its end.
TEST_F(Rings, ACompletionIsSparedWhereThePolicyHasNoUseForIt) {
    const auto calls_of_one = [&](const Plugin& plugin) {
        EXPECT_TRUE(host_.replace(plugin, nullptr));
        const auto before = ground_.report.hook_calls;
        submit(0);
        finish();
        return ground_.report.hook_calls - before;
    };
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    EXPECT_EQ(calls_of_one(small), 3U);
    EXPECT_EQ(calls_of_one(deaf), 2U);
    EXPECT_EQ(machine_.done, 2U);
}

TEST_F(Rings, TheOldestComesFirstAcrossSwaps) {
    host_.start(small, nullptr);
    for (std::size_t i = 0; i < 3; ++i)
        ASSERT_TRUE(host_.open(machine_.rings[i]));
    for (std::size_t i = 0; i < 30; ++i)
        submit(i * 7 % 3);
    for (std::uint64_t i = 0; i < 30; ++i) {
        if (i % 7 == 3) {
            ASSERT_TRUE(host_.replace(i % 2 == 0 ? small : large, nullptr));
        }
        EXPECT_EQ(machine_.last_taken, i);
        finish();
        audit();
    }
    EXPECT_EQ(machine_.done, 30U);
}

TEST_F(Rings, WhatTheDeviceHasWhenItsRingGoesIsNotHeardOf) {
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    submit(0);
    submit(0);
    close(0);
    EXPECT_EQ(host_.queued(), 0U);
    EXPECT_EQ(machine_.rings[0].queue.used, 1U);
    finish();
    EXPECT_EQ(machine_.rings[0].queue.used, 0U);
    EXPECT_EQ(machine_.done, 0U);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    submit(0);
    finish();
    EXPECT_EQ(machine_.done, 1U);
}

TEST_F(Rings, ANewDomainInAnOldPlaceHasItsOwnNameAndWeight) {
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    submit(0);
    close(0);
    finish();
    auto& place = machine_.domains[0];
    place.id = DomainId{77};
    place.io.weight = 5;
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    EXPECT_EQ(place.io.policy->id, DomainId{77});
    EXPECT_EQ(place.io.policy->weight, 5U);
    EXPECT_EQ(place.io.policy->rings, 1U);
    submit(0);
    finish();
    EXPECT_EQ(machine_.done, 1U);
    ASSERT_TRUE(host_.replace(large, nullptr));
    EXPECT_EQ(place.io.policy->id, DomainId{77});
}

class RingFault : public Rings, public testing::WithParamInterface<Hook> {};

TEST_P(RingFault, EndsInTheFallback) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937_64 engine{seed};
        machine_.device.most = static_cast<std::uint32_t>(seed);
        const int after = static_cast<int>(seed) * 50;
        if (seed == 1)
            host_.start(small, nullptr);
        else {
            ASSERT_TRUE(host_.replace(small, nullptr));
        }
        host_.give_work();
        ground_.report = {};
        ground_.ejections = 0;
        for (int i = 0; i < 600; ++i) {
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
    }
}
INSTANTIATE_TEST_SUITE_P(Hooks, RingFault,
                         testing::Values(Hook::create, Hook::attach, Hook::detach, Hook::enqueue, Hook::next,
                                         Hook::complete, Hook::withdraw, Hook::tune));

// The bookkeeper answers with the newest request first, which is wrong where there is an order.
TEST_F(Rings, ARequestThatOvertakesWhereItMayNotIsAWrongAnswer) {
    using enum ringctl::Operation;
    host_.start({&host::fallback_ring_policy()}, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    struct Case {
        ringctl::Operation first, second;
        bool is_wrong;
    };
    for (const auto& [first, second, is_wrong] :
         {Case{write, flush, true}, Case{discard, flush, true}, Case{read, flush, false},
          Case{flush, write, false}, Case{read, barrier, true}, Case{barrier, read, true},
          Case{write, write, false}}) {
        SCOPED_TRACE(static_cast<int>(first) * 10 + static_cast<int>(second));
        ASSERT_TRUE(host_.replace(small, nullptr));
        ground_.report = {};
        book.newest_first = true;
        host_.submit(machine_.rings[0], read, 0, 4'096); // at the device
        host_.submit(machine_.rings[0], first, 0, first == flush ? 0 : 4'096);
        host_.submit(machine_.rings[0], second, 0, second == flush ? 0 : 4'096);
        finish();
        EXPECT_EQ(ground_.report.ejected != 0, is_wrong);
        while (host_.in_service() > 0)
            finish();
        book.newest_first = false;
    }
    EXPECT_STREQ(ground_.why, "a request before one that it has to stay behind");
}

// An address is compared, never followed: what is not mapped, lies inside an object, or is a request of
// another policy is found out.
TEST_F(Rings, AStrayAddressEndsInTheFallback) {
    host_.start({&host::fallback_ring_policy()}, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    submit(0);
    constexpr auto set = (host::RingKind::pools + 1) * host::region_bytes;
    const auto own = ground_.regions + host::RingKind::requests * host::region_bytes;
    const auto former = own + 2 * set; // every swap below ends in the first set, every ejection in the third
    const std::uint64_t strays[] = {1, UINT64_MAX, own + 8, own + (1 << 20), own - 16, former};
    for (const std::uint64_t stray : strays) {
        SCOPED_TRACE(stray);
        ASSERT_TRUE(host_.replace(small, nullptr));
        ground_.report = {};
        submit(0);
        book.stray = reinterpret_cast<const void*>(stray);
        finish();
        book.stray = nullptr;
        EXPECT_EQ(ground_.report.ejected, static_cast<std::uint32_t>(plugin::Fault::wrong_answer));
        EXPECT_STREQ(ground_.why, "not a request, or one that is gone");
        audit();
    }
}

TEST_F(Rings, SilenceBesideAnIdleDeviceIsStarvation) {
    host_.start(idle, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    book.silent = true;
    submit(0);
    EXPECT_EQ(ground_.report.ejected, static_cast<std::uint32_t>(plugin::Fault::starvation));
    EXPECT_EQ(host_.in_service(), 1U);
}

TEST_F(Rings, AnInstantThatComesWhileThePolicyThinksIsNotAWrongAnswer) {
    host_.start(idle, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    book.clock = &ground_.now;
    submit(0);
    EXPECT_FALSE(host_.is_built_in());
    EXPECT_LT(host_.asks_again(), ground_.now);
    book.clock = nullptr;
    host_.give_work();
    EXPECT_EQ(host_.in_service(), 1U);
}

// Two domains of equal weight: twice the contract's unit, in device time, and not a request before.
TEST_F(Rings, ADomainThatIsOvertakenForTooLongIsStarved) {
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    ASSERT_TRUE(host_.open(machine_.rings[2]));
    machine_.device.time = milliseconds(100);
    book.newest_first = true;
    submit(0);
    submit(0); // waits from here on
    for (int i = 0; i < 2; ++i)
        submit(2);
    const auto bound = 2 * ringctl::longest_wait.count() / machine_.device.time.count();
    for (std::int64_t i = 0; i < bound + 1; ++i) {
        EXPECT_EQ(ground_.ejections, 0U) << i;
        finish();
        submit(2);
    }
    EXPECT_EQ(ground_.report.ejected, static_cast<std::uint32_t>(plugin::Fault::starvation));
    EXPECT_STREQ(ground_.why, "a domain was starved");
    audit();
}

TEST_F(Rings, WhereMemoryIsShortASwapIsRefusedAndARingStaysClosed) {
    host_.start(small, nullptr);
    int refused = 0;
    for (std::uint32_t every = 1; every <= 40; ++every) {
        SCOPED_TRACE(every);
        std::mt19937_64 engine{every};
        for (int i = 0; i < 20; ++i) {
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
            host_.give_work();
            audit();
            ASSERT_FALSE(HasFailure()) << "step " << i;
        }
    }
    EXPECT_GT(refused, 3);
    EXPECT_EQ(ground_.ejections, 0U);
}

TEST_F(Rings, ARingWithoutMemoryForItsPartStaysClosed) {
    host_.start(large, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    for (std::uint32_t nth = 1; nth <= 3; ++nth) {
        ground_.refuse_pages(nth);
        EXPECT_FALSE(host_.open(machine_.rings[5]));
        ground_.refuse_pages(0);
        EXPECT_FALSE(RingHost::is_open(machine_.rings[5]));
        audit();
    }
    EXPECT_TRUE(host_.open(machine_.rings[5]));
    audit();
}

TEST_F(Rings, TheFallbackIsBuiltFirstAndThenNeedsNoMemory) {
    ground_.refuse_pages(1);
    EXPECT_THROW(host_.start(small, nullptr), GaveUp);
    ground_.refuse_pages(0);
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    ground_.refuse_pages(1);
    ground_.fail_in(Hook::enqueue);
    submit(0);
    EXPECT_EQ(ground_.ejections, 1U);
    audit();
}

} // namespace
} // namespace bulkhead::host_test::ring
