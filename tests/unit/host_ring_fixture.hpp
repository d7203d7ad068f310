// A ring policy that keeps books of what it was told and can be made to answer wrong, and a device of six
// rings under it.
#pragma once

#include "tests/unit/host_ground.hpp"

#include <gtest/gtest.h>
#include <random>

namespace bulkhead::host_test::ring {

using RingHost = host::RingHost<RingWorld>;

// What the policy below was told, and what it is to answer wrong.
struct Book {
    std::uint64_t rings = 0; // bit n: ring n was attached
    std::uint32_t queued = 0;
    int made = 0;
    bool newest_first = false, silent = false;
    const void* stray = nullptr; // the answer, if it is not nullptr
    RealTime* clock = nullptr;   // passes beyond the instant that is answered
};
inline Book book;

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
    ringctl::Decision next(RealTime now) {
        if (book.clock != nullptr) {
            *book.clock = now + microseconds(2);
            return ringctl::Decision::wait(now + microseconds(1));
        }
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

inline const Plugin small{&ringctl::Registration<Bookkeeper<false, 1, 1>>::descriptor};
inline const Plugin large{&ringctl::Registration<Bookkeeper<false, 40'000, 400>>::descriptor};
inline const Plugin idle{&ringctl::Registration<Bookkeeper<true, 1, 1>>::descriptor};

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
            EXPECT_EQ((book.rings >> i & 1) != 0, RingHost::is_open(machine_.rings[i])) << "ring " << i;
    }
    // Those whose ring went while the device had them, less those that it still has.
    [[nodiscard]] std::uint64_t finished_unheard() const {
        std::uint64_t still = 0;
        for (std::uint32_t i = 0; i < machine_.device.served; ++i)
            still += RingHost::is_open(*ring_of(*machine_.device.in_service[i])) ? 0 : 1;
        return unheard_ - still;
    }
    [[nodiscard]] const RingMachine::Ring* ring_of(const host::Request& request) const {
        return &machine_.rings[request.ring->number];
    }
    void act(std::mt19937_64& engine) {
        const std::size_t which = engine() % RingMachine::most_rings;
        auto& ring = machine_.rings[which];
        ground_.now += microseconds(static_cast<std::int64_t>(engine() % 1'000));
        if (!RingHost::is_open(ring)) {
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
    RingHost host_{RingWorld{{&ground_}, &machine_}};
};

} // namespace bulkhead::host_test::ring
