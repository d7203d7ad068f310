// Guests that ask a device for something, as a test sees them: it keeps its own books of every request, apart
// from the host's, and drives the host from event to event.
#pragma once

#include "sim/block_device.hpp"
#include "tests/policy/kinds.hpp"

#include <map>
#include <vector>

namespace bulkhead::policy_test {

class Traffic {
  public:
    struct Event {
        RealTime at;
        std::uint64_t number;
        std::uint16_t domain;
        std::uint32_t bytes;
        Nanos service;
        std::uint32_t ring = 0;
        ringctl::Operation operation{};
    };
    // A guest that always has `depth` requests of one size outstanding, at random places, on its ring.
    struct Backlog {
        std::uint32_t ring;
        std::uint32_t bytes;
        std::uint32_t depth;
        std::uint32_t parts = 1;
        ringctl::Operation operation = ringctl::Operation::read;
    };

    explicit Traffic(sim::Policy policy, std::uint64_t seed = 1, sim::Disk disk = {}, bool eject = false)
        : host{std::move(policy), {.disk = disk, .seed = seed, .eject = eject}}, chance_{seed} {
        host.on_taken = [this](const sim::BlockDevice::Request& request) {
            ++taken_[request.number];
            served.push_back({now,
                              request.number,
                              request.domain.value(),
                              request.bytes,
                              {},
                              request.ring,
                              request.operation});
        };
        host.on_done = [this](const sim::BlockDevice::Request& request, Nanos service) {
            ++done_[request.number];
            done.push_back({now, request.number, request.domain.value(), request.bytes, service});
        };
    }

    std::uint32_t open(std::uint16_t domain, std::uint32_t weight = 256,
                       std::vector<std::int64_t> values = {}, std::uint32_t group = 0) {
        return host.open(DomainId{domain}, weight, values, group);
    }
    // The request's number; none if the ring is full.
    std::optional<std::uint64_t> submit(std::uint32_t ring, std::uint32_t bytes, std::uint32_t parts = 1) {
        return submit(ring, ringctl::Operation::read, bytes, parts);
    }
    std::optional<std::uint64_t> submit(std::uint32_t ring, ringctl::Operation operation, std::uint32_t bytes,
                                        std::uint32_t parts = 1) {
        const auto sector = static_cast<std::uint64_t>(chance_.draw(0, 1 << 20)) * 8;
        const auto number = host.submit(ring, operation, sector, bytes, now, parts);
        if (number)
            submitted_[*number] = ring;
        return number;
    }
    void close(std::uint32_t ring) {
        host.close(ring, now);
        std::erase_if(submitted_, [ring](const auto& each) { return each.second == ring; });
    }
    // Carries out everything until `end`.
    void run_until(RealTime end) {
        while (host.next() <= end) {
            now = std::max(now, host.next());
            host.advance(now);
            conserve();
        }
        now = std::max(now, end);
    }
    // The same with guests that ask again whenever they are answered.
    void run_backlogged(RealTime end, const std::vector<Backlog>& guests) {
        for (refill(guests); host.next() <= end; refill(guests)) {
            now = std::max(now, host.next());
            host.advance(now);
        }
        now = end;
    }
    // What each domain was served of, in bytes of the requests taken.
    [[nodiscard]] std::map<std::uint16_t, Nanos> device_time() const {
        std::map<std::uint16_t, Nanos> sums;
        for (const Event& event : done)
            sums[event.domain] += event.service;
        return sums;
    }
    // Every request of an open ring was taken and done exactly once.
    void expect_nothing_lost() const {
        for (const auto& [number, ring] : submitted_) {
            EXPECT_TRUE(done_.contains(number)) << "request " << number << " of ring " << ring;
            EXPECT_TRUE(taken_.contains(number)) << "request " << number;
        }
        for (const auto& [number, times] : taken_)
            EXPECT_EQ(times, 1) << "request " << number;
        for (const auto& [number, times] : done_)
            EXPECT_EQ(times, 1) << "request " << number;
    }

    sim::BlockDevice host;
    RealTime now{};
    std::vector<Event> served, done;

  private:
    // Who promises it leaves no device without work while a request is queued.
    void conserve() const {
        const bool promised =
            (host.policy().traits & static_cast<std::uint32_t>(plugin::Trait::idles)) == 0 &&
            (host.policy().traits & static_cast<std::uint32_t>(plugin::Trait::misbehaves)) == 0;
        if (promised && host.queued() > 0) {
            EXPECT_GE(host.in_service(), 1U) << host.policy().name;
        }
    }
    void refill(const std::vector<Backlog>& guests) {
        for (const Backlog& guest : guests) {
            auto& made = made_[guest.ring];
            std::erase_if(made, [&](std::uint64_t number) { return done_.contains(number); });
            while (made.size() < guest.depth)
                made.push_back(*submit(guest.ring, guest.operation, guest.bytes, guest.parts));
        }
    }

    Chance chance_;
    std::map<std::uint64_t, std::uint32_t> submitted_; // number: ring
    std::map<std::uint64_t, int> taken_, done_;
    std::map<std::uint32_t, std::vector<std::uint64_t>> made_;
};

} // namespace bulkhead::policy_test
