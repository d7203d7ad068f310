// The host of memory policies in a world of its own: whatever fails at whatever moment, no frame is lost, no
// domain is forgotten, and some policy is in charge.
#include "tests/unit/host_ground.hpp"

#include <gtest/gtest.h>
#include <random>

namespace bulkhead::host_test {
namespace {

using memctl::Frames;
using Hook = memctl::Hook;
using Host = host::MemoryHost<MemoryWorld>;

// What the policy below was told, and what it is to do wrong.
struct Book {
    std::uint64_t known = 0; // bit n: domain n was admitted and has not departed
    int made = 0;
    bool admits_all = false, gives_too_much = false, promises_too_much = false, reclaims_too_much = false;
} book;

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

const Plugin small{&memctl::Registration<Bookkeeper<1, 1>>::descriptor};
const Plugin large{&memctl::Registration<Bookkeeper<40'000, 3'000>>::descriptor};

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
    Host host_{MemoryWorld{{&ground_}, &machine_}};
};

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
    ground_.refuse_pages(0);
    host_.start(small, nullptr);
    ground_.refuse_pages(1);
    ground_.fail_in(Hook::admit);
    ground_.refuse_every = 3; // the pages of the domain's part are there, those of the fallback are not
    EXPECT_THROW(static_cast<void>(admit(0, 1, 10)), GaveUp);
}

} // namespace
} // namespace bulkhead::host_test
