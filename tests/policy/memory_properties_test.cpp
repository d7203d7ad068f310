// What must hold for every memory policy, whatever domains do: the host throws Misconduct on any wrong
// answer, and here it is driven at random. No frame is given twice or lost, targets keep their bounds, free
// frames are given out.
#include "sim/machine_memory.hpp"
#include "tests/policy/kinds.hpp"

#include <vector>

namespace bulkhead::policy_test {
namespace {

using memctl::Frames;
constexpr auto kind = plugin::Kind::memory;

class MemoryProperties : public testing::TestWithParam<std::filesystem::path> {};

// Domains come, take frames, give some back, are re-weighted and go; policies are swapped if there are
// `successors`.
class Scene {
  public:
    Scene(sim::Policy policy, std::uint64_t seed)
        : chance_{seed}, policy_{drawn(std::move(policy), chance_)}, frames_{chance_.draw(64, 4'000)},
          host{policy_,
               {.frames = frames_,
                .zones = static_cast<std::uint32_t>(chance_.draw(1, 5)),
                .seed = seed,
                .eject = false}} {}

    void run(int steps, const std::vector<std::filesystem::path>& successors = {}) {
        for (int i = 0; i < steps; ++i) {
            now_ += microseconds(chance_.draw(1, 200'000));
            act();
            if (!successors.empty() && chance_.draw(0, 9) == 0) {
                const auto which = chance_.draw(0, static_cast<std::int64_t>(successors.size()) - 1);
                host.replace(opened(kind, successors[static_cast<std::size_t>(which)]), now_);
            }
            if (chance_.draw(0, 3) == 0)
                host.rebalance(now_);
            audit();
            if (testing::Test::HasFailure())
                return;
        }
    }
    [[nodiscard]] int admitted() const { return admitted_; }

  private:
    struct Known {
        DomainId id;
        Frames least, most;
    };
    static sim::Policy drawn(sim::Policy policy, Chance& chance) {
        draw_parameters(policy, chance);
        return policy;
    }

    void act() {
        if (domains_.empty() || (domains_.size() < 12 && chance_.draw(0, 4) == 0))
            return admit();
        const Known& domain = domains_[static_cast<std::size_t>(
            chance_.draw(0, static_cast<std::int64_t>(domains_.size()) - 1))];
        switch (chance_.draw(0, 10)) {
        case 0:
            host.depart(domain.id, now_);
            std::erase_if(domains_, [id = domain.id](const Known& each) { return each.id == id; });
            return;
        case 1:
            return host.set_weight(domain.id, static_cast<std::uint32_t>(chance_.draw(1, 65'535)), now_);
        case 2:
        case 3:
            host.release(domain.id, Frames{chance_.draw(1, 500)}, now_);
            return;
        case 4: {
            const std::int64_t looked = chance_.draw(1, 100);
            return host.sample(domain.id, Frames{looked}, Frames{chance_.draw(0, looked)}, now_);
        }
        case 5:
            host.release(domain.id, host.to_reclaim(domain.id, now_), now_);
            return;
        case 6: {
            const std::int64_t pages = chance_.draw(0, 1'000);
            host.missed(domain.id, static_cast<std::uint64_t>(pages));
            return host.stalled(domain.id, microseconds(400) * pages, static_cast<std::uint64_t>(pages));
        }
        default:
            return populate(domain.id);
        }
    }
    void admit() {
        const Frames most{chance_.draw(1, frames_.count() + 100)};
        const Frames least{chance_.draw(1, std::max<std::int64_t>(most.count() / 4, 1))};
        const DomainId id{next_id_++};
        const bool in = host.admit({.id = id,
                                    .weight = static_cast<std::uint32_t>(chance_.draw(1, 4'096)),
                                    .least = least,
                                    .most = most,
                                    .values = draw_domain_values(policy_, chance_, 16)},
                                   now_);
        if (in)
            domains_.push_back({id, least, most});
        admitted_ += in ? 1 : 0;
        EXPECT_EQ(host.knows(id), in);
    }
    void populate(DomainId id) {
        const Frames wanted{chance_.draw(1, 600)}, before = host.has(id);
        const Frames room = std::max(host.target(id) - before, Frames{}), there = host.free();
        const Frames given = host.populate(id, wanted, now_);
        EXPECT_EQ(host.has(id), before + given);
        EXPECT_LE(given, std::min(wanted, room));
        if ((host.policy().traits & static_cast<std::uint32_t>(plugin::Trait::idles)) == 0) {
            EXPECT_EQ(given, std::min({wanted, room, there})) << host.policy().name;
        }
    }
    void audit() const {
        std::vector<bool> owned(static_cast<std::size_t>(frames_.count()));
        Frames sum{}, promised{};
        bool twice = false;
        for (const Known& domain : domains_) {
            for (const std::uint32_t frame : host.frames_of(domain.id)) {
                twice |= owned.at(frame);
                owned[frame] = true;
            }
            sum += host.has(domain.id);
            promised += host.target(domain.id);
            EXPECT_GE(host.target(domain.id), domain.least);
            EXPECT_LE(host.target(domain.id), domain.most);
        }
        EXPECT_FALSE(twice) << "a frame was given twice";
        EXPECT_EQ(sum + host.free(), frames_);
        EXPECT_LE(promised, frames_);
    }

    Chance chance_;
    sim::Policy policy_;
    Frames frames_;

  public:
    sim::MachineMemory host;

  private:
    RealTime now_{};
    std::vector<Known> domains_;
    std::uint16_t next_id_ = 1;
    int admitted_ = 0;
};

TEST_P(MemoryProperties, NoFrameIsLostOrGivenTwiceAndTargetsKeepTheirBounds) {
    int admitted = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        Scene scene{opened(kind, GetParam()), seed};
        ASSERT_NO_THROW(scene.run(120)) << "seed " << seed;
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
        admitted += scene.admitted();
    }
    EXPECT_GT(admitted, 80);
}

TEST_P(MemoryProperties, SwapsInFlightLoseNothing) {
    const auto successors = files_of(kind);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Scene scene{opened(kind, GetParam()), seed};
        ASSERT_NO_THROW(scene.run(120, successors)) << "seed " << seed;
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_P(MemoryProperties, WhoIsAloneGetsWhatItAsksFor) {
    sim::MachineMemory host{opened(kind, GetParam()),
                            {.frames = Frames{1'000}, .zones = 1, .seed = 1, .eject = false}};
    ASSERT_TRUE(host.admit({.id = DomainId{1}, .least = Frames{10}, .most = Frames{200}, .values = {}}, {}));
    EXPECT_EQ(host.populate(DomainId{1}, Frames{200}, {}), Frames{200});
    host.depart(DomainId{1}, {});
    EXPECT_EQ(host.free(), Frames{1'000});
}

TEST_P(MemoryProperties, MoreThanThereIsIsNotPromised) {
    sim::MachineMemory host{opened(kind, GetParam()),
                            {.frames = Frames{1'000}, .zones = 2, .seed = 1, .eject = false}};
    int admitted = 0;
    for (std::uint16_t i = 1; i <= 20; ++i)
        admitted +=
            host.admit({.id = DomainId{i}, .least = Frames{100}, .most = Frames{500}, .values = {}}, {}) ? 1
                                                                                                         : 0;
    EXPECT_LE(admitted, 10);
    EXPECT_GE(admitted, 1);
}

INSTANTIATE_TEST_SUITE_P(Policies, MemoryProperties, testing::ValuesIn(files_of(kind)), test_name_of);

} // namespace
} // namespace bulkhead::policy_test
