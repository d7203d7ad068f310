// The host of ring policies in a world of its own: whatever fails at whatever moment, no request is lost or
// served twice, the device does not idle, and some policy is in charge.
#include "tests/unit/host_ground.hpp"

#include <gtest/gtest.h>
#include <random>

namespace bulkhead::host_test {
namespace {

using Hook = ringctl::Hook;
using Host = host::RingHost<RingWorld>;

// What the policy below was told, and what it is to answer wrong.
struct Book {
    std::uint64_t rings = 0; // bit n: ring n was attached
    std::uint32_t queued = 0;
    int made = 0;
    bool newest_first = false, silent = false;
    const void* stray = nullptr; // the answer, if it is not nullptr
} book;

template<bool idles, std::size_t object_bytes, std::size_t request_bytes>
class Bookkeeper : public ringctl::Policy {
  public:
    struct Request : ringctl::Request, boost::intrusive::list_base_hook<> {
        std::byte more[request_bytes];
    };
    static constexpr bool work_conserving = !idles;
    static constexpr ringctl::Text text{.name = "bookkeeper",
                                        .summary = "for tests",
                                        .good_at = "tests",
                                        .bad_at = "the rest",
                                        .source = "none"};
    explicit Bookkeeper(const ringctl::Setup<Bookkeeper>&) {
        book.rings = 0;
        book.queued = 0;
        ++book.made;
    }
    void attach(const Ring& ring) {
        EXPECT_EQ(book.rings & bit(ring), 0U);
        EXPECT_GE(ring.domain->rings, 1U);
        book.rings |= bit(ring);
    }
    void detach(const Ring& ring) {
        EXPECT_NE(book.rings & bit(ring), 0U);
        book.rings &= ~bit(ring);
    }
    void enqueue(Request& request, RealTime) {
        EXPECT_TRUE(queue_.empty() || book.newest_first || queue_.back().number < request.number);
        ++book.queued;
        if (book.newest_first)
            queue_.push_front(request);
        else
            queue_.push_back(request);
    }
    void withdraw(Request& request) {
        --book.queued;
        queue_.erase(queue_.iterator_to(request));
    }
    void complete(const Request& request, Nanos, RealTime) { EXPECT_FALSE(request.is_linked()); }
    void tune(Domain&) {}
    ringctl::Decision next(RealTime) {
        if (book.stray != nullptr)
            return {static_cast<ringctl::Request*>(const_cast<void*>(book.stray)), {}};
        if (book.silent)
            return ringctl::Decision::nothing();
        Request& first = queue_.front();
        queue_.pop_front();
        --book.queued;
        return ringctl::Decision::serve(first);
    }

  private:
    static std::uint64_t bit(const ringctl::Ring& ring) { return std::uint64_t{1} << ring.number; }
    boost::intrusive::list<Request> queue_;
    std::byte more_[object_bytes]{};
};

const Plugin small{&ringctl::Registration<Bookkeeper<false, 1, 1>>::descriptor};
const Plugin large{&ringctl::Registration<Bookkeeper<false, 40'000, 400>>::descriptor};
const Plugin idle{&ringctl::Registration<Bookkeeper<true, 1, 1>>::descriptor};

class Rings : public testing::Test {
  protected:
    Rings() {
        book = {};
        for (std::uint16_t i = 0; i < RingMachine::most_rings; ++i) {
            machine_.domains[i].id = DomainId{i};
            machine_.domains[i].io.slot = i;
            machine_.rings[i].domain = &machine_.domains[i / 2]; // two rings each
            machine_.rings[i].queue.number = i;
        }
    }
    std::uint64_t submit(std::size_t which) {
        return host_.submit(machine_.rings[which], ringctl::Operation::read, 0, 4'096);
    }
    // The device is done with its oldest request.
    void finish() {
        if (machine_.device.served == 0)
            return;
        ground_.now += machine_.device.time;
        host_.complete(machine_.device.finish(), machine_.device.time);
        host_.give_work();
    }
    void close(std::size_t which) {
        const auto& queue = machine_.rings[which].queue;
        for (const host::Request& request : queue.requests) {
            lost_ += request.state == host::Request::State::queued ? 1 : 0;
            unheard_ += request.state == host::Request::State::in_service ? 1 : 0;
        }
        host_.close(machine_.rings[which]);
    }
    void audit() const {
        EXPECT_EQ(host_.submitted(), machine_.taken + host_.queued() + lost_);
        EXPECT_EQ(machine_.taken, machine_.done + finished_unheard() + host_.in_service());
        EXPECT_EQ(host_.in_service(), machine_.device.served);
        EXPECT_TRUE(host_.queued() == 0 || host_.in_service() == machine_.device.most);
        if (host_.is_built_in())
            return;
        EXPECT_EQ(book.queued, host_.queued());
        for (std::uint32_t i = 0; i < RingMachine::most_rings; ++i)
            EXPECT_EQ((book.rings >> i & 1) != 0, Host::is_open(machine_.rings[i])) << "ring " << i;
    }
    // Those whose ring went while the device had them, less those that it still has.
    [[nodiscard]] std::uint64_t finished_unheard() const {
        std::uint64_t still = 0;
        for (std::uint32_t i = 0; i < machine_.device.served; ++i)
            still += Host::is_open(*ring_of(*machine_.device.in_service[i])) ? 0 : 1;
        return unheard_ - still;
    }
    [[nodiscard]] const RingMachine::Ring* ring_of(const host::Request& request) const {
        return &machine_.rings[request.ring->number];
    }
    void act(std::mt19937_64& engine) {
        const std::size_t which = engine() % RingMachine::most_rings;
        auto& ring = machine_.rings[which];
        ground_.now += microseconds(static_cast<std::int64_t>(engine() % 1'000));
        if (!Host::is_open(ring)) {
            if (ring.queue.used == 0) { // else the device has not let go of it
                EXPECT_TRUE(host_.open(ring));
            }
            return;
        }
        switch (engine() % 10) {
        case 0:
            return close(which);
        case 1:
            ring.domain->io.weight = static_cast<std::uint32_t>(1 + engine() % 1'000);
            return host_.tune(*ring.domain);
        case 2:
        case 3:
        case 4:
            return finish();
        default:
            if (ring.queue.has_room())
                submit(which);
        }
    }

    TestGround ground_;
    RingMachine machine_;
    std::uint64_t lost_ = 0, unheard_ = 0; // queued or in service when their ring went
    Host host_{RingWorld{{&ground_}, &machine_}};
};

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

// An address is compared, never followed: what is not mapped, lies inside an object, or is a request of
// another policy is found out.
TEST_F(Rings, AStrayAddressEndsInTheFallback) {
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    submit(0);
    constexpr auto set = (host::RingKind::pools + 1) * host::region_bytes;
    const auto former = ground_.regions + host::RingKind::requests * host::region_bytes;
    const auto own = former + set; // every swap below ends in the second set, every ejection in the first
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
        EXPECT_FALSE(Host::is_open(machine_.rings[5]));
        audit();
    }
    EXPECT_TRUE(host_.open(machine_.rings[5]));
    audit();
}

TEST_F(Rings, WithoutMemoryForTheFallbackTheHostGivesUp) {
    host_.start(small, nullptr);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    ground_.refuse_pages(1);
    ground_.fail_in(Hook::enqueue);
    EXPECT_THROW(submit(0), GaveUp);
}

} // namespace
} // namespace bulkhead::host_test
