// A memory policy that keeps books of what it was told and can be made to answer wrong, and a machine of six
// domains under it.
#pragma once

#include "tests/unit/host_ground.hpp"

#include <gtest/gtest.h>
#include <random>

namespace bulkhead::host_test::memory {

using memctl::Frames;

using MemoryHost = host::MemoryHost<MemoryWorld>;

// What the policy below was told, and what it is to do wrong.
struct Book {
    std::uint64_t known = 0; // bit n: domain n was admitted and has not departed
    int made = 0;
    bool admits_all = false, gives_too_much = false, promises_too_much = false, reclaims_too_much = false;
};
inline Book book;

// Every domain its least, then the first ones what is left. `large` objects need many pages of a pool.
template<std::size_t object_bytes, std::size_t domain_bytes>
class Bookkeeper : public memctl::Policy {
  public:
    struct Domain : memctl::Domain {
        std::byte more[domain_bytes];
    };
    static constexpr memctl::Text text{.name = "bookkeeper",
                                       .summary = "for tests",
                                       .good_at = "tests",
                                       .bad_at = "the rest",
                                       .source = "none"};
    explicit Bookkeeper(const memctl::Setup<Bookkeeper>& setup) : zones_{setup.zones}, frames_{setup.frames} {
        book.known = 0;
        ++book.made;
    }
    bool admit(Domain& domain) {
        EXPECT_EQ(book.known & bit(domain), 0U);
        book.known |= bit(domain);
        return book.admits_all || domain.least <= frames_ - promised_;
    }
    void depart(const Domain& domain) {
        EXPECT_EQ(domain.has, Frames{});
        EXPECT_NE(book.known & bit(domain), 0U);
        book.known &= ~bit(domain);
    }
    memctl::Grant choose(const Domain& domain, Frames wanted) {
        EXPECT_LT(domain.has, domain.target);
        for (const memctl::Zone& zone : zones_)
            if (zone.free > Frames{})
                return {zone.id, book.gives_too_much ? zone.free + Frames{1} : std::min(wanted, zone.free)};
        return memctl::Grant::none();
    }
    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        Frames left = frames_;
        promised_ = {};
        for (std::size_t i = 0; i < plan.size(); ++i)
            promised_ += plan.target(i) = plan.domain(i).least;
        left -= promised_;
        for (std::size_t i = 0; i < plan.size(); ++i) {
            const Frames more = std::min(left, plan.domain(i).most - plan.target(i));
            plan.target(i) += book.promises_too_much ? plan.domain(i).most : more;
            left -= more;
        }
    }
    void sample(Domain&, Frames, Frames, RealTime) {}
    Frames reclaim(const Domain&, Frames over, Nanos) {
        return book.reclaims_too_much ? over + Frames{1} : over;
    }
    void tune(Domain&) {}

  private:
    static std::uint64_t bit(const memctl::Domain& domain) { return std::uint64_t{1} << domain.id.value(); }
    std::span<const memctl::Zone> zones_;
    Frames frames_, promised_;
    std::byte more_[object_bytes]{};
};

inline const Plugin small{&memctl::Registration<Bookkeeper<1, 1>>::descriptor};
inline const Plugin large{&memctl::Registration<Bookkeeper<40'000, 3'000>>::descriptor};

class Memory : public testing::Test {
  protected:
    Memory() {
        book = {};
        for (std::uint16_t i = 0; i < MemoryMachine::most_domains; ++i) {
            machine_.domains[i].id = DomainId{i};
            machine_.domains[i].memory.slot = i;
        }
    }
    bool admit(std::size_t which, std::int64_t least, std::int64_t most) {
        auto& domain = machine_.domains[which];
        domain.memory.least = Frames{least};
        domain.memory.most = Frames{most};
        const bool admitted = host_.admit(domain);
        if (admitted)
            admitted_ |= std::uint64_t{1} << which;
        return admitted;
    }
    void depart(std::size_t which) {
        host_.depart(machine_.domains[which]);
        admitted_ &= ~(std::uint64_t{1} << which);
    }
    [[nodiscard]] bool is_in(std::size_t which) const { return (admitted_ >> which & 1) != 0; }
    // Everything that must hold between two calls.
    void audit() const {
        Frames sum{}, promised{}, of_zone[2] = {};
        for (std::size_t i = 0; i < MemoryMachine::most_domains; ++i) {
            const auto& domain = machine_.domains[i];
            EXPECT_EQ(domain.of_zone[0] + domain.of_zone[1], is_in(i) ? domain.memory.has : Frames{});
            of_zone[0] += domain.of_zone[0];
            of_zone[1] += domain.of_zone[1];
            if (!is_in(i))
                continue;
            sum += domain.memory.has;
            promised += domain.memory.target;
            EXPECT_GE(domain.memory.target, domain.memory.least);
            EXPECT_LE(domain.memory.target, domain.memory.most);
        }
        EXPECT_EQ(sum + host_.free(), Frames{1'000});
        EXPECT_LE(promised, Frames{1'000});
        for (std::size_t zone = 0; zone < 2; ++zone)
            EXPECT_EQ(machine_.zones[zone].free + of_zone[zone], machine_.zones[zone].frames);
        if (!host_.is_built_in()) {
            EXPECT_EQ(book.known, admitted_);
        }
    }
    void act(std::mt19937_64& engine) {
        const std::size_t which = engine() % MemoryMachine::most_domains;
        auto& domain = machine_.domains[which];
        ground_.now += microseconds(static_cast<std::int64_t>(engine() % 1'000));
        if (!is_in(which))
            return static_cast<void>(admit(which, 1 + static_cast<std::int64_t>(engine() % 300), 700));
        switch (engine() % 8) {
        case 0:
            return depart(which);
        case 1:
            host_.release(domain, Frames{static_cast<std::int64_t>(engine() % 200)});
            return;
        case 2:
            domain.memory.weight = static_cast<std::uint32_t>(1 + engine() % 1'000);
            return host_.tune(domain);
        case 3:
            return host_.sample(domain, Frames{10}, Frames{3});
        case 4:
            host_.release(domain, host_.to_reclaim(domain));
            return;
        case 5:
            return host_.rebalance();
        default:
            host_.populate(domain, Frames{static_cast<std::int64_t>(engine() % 500)});
        }
    }

    TestGround ground_;
    MemoryMachine machine_;
    std::uint64_t admitted_ = 0;
    MemoryHost host_{MemoryWorld{{&ground_}, &machine_}};
};

} // namespace bulkhead::host_test::memory
