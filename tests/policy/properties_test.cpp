// What must hold for every scheduler, whatever guests and the control plane do: the machine throws Misconduct
// on any wrong answer, and here it is driven at random.
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

class Properties : public testing::TestWithParam<std::filesystem::path> {
  protected:
    PluginFile file_ = opened(GetParam());
};

// One random machine: guests come, go, are paused, moved and re-weighted while they run.
class Chaos {
  public:
    Chaos(const PluginFile& file, std::uint64_t seed)
        : random_{seed}, file_{file}, pcpus_{static_cast<std::uint32_t>(draw(1, 4))},
          machine_{file,
                   {.pcpus = pcpus_,
                    .seed = seed,
                    .parameters = parameters(file),
                    .timer_error = microseconds(draw(0, 20)),
                    .switch_cost = microseconds(draw(0, 3))}} {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            act();
            machine_.run_for(microseconds(draw(1, 8'000)));
        }
    }
    Machine& machine() { return machine_; }
    std::uint32_t pcpus() const { return pcpus_; }

  private:
    std::int64_t draw(std::int64_t least, std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>{least, most}(random_);
    }

    // Any values that the table allows, or the defaults.
    std::vector<std::int64_t> parameters(const PluginFile& file) {
        auto values = file.defaults();
        if (file.has(sched::Trait::misbehaves))
            return values;
        for (std::size_t i = 0; i < values.size() && draw(0, 1) == 0; ++i)
            values[i] = draw(file.descriptor().parameters[i].least, file.descriptor().parameters[i].most);
        return values;
    }

    std::vector<std::int64_t> domain_values() {
        auto values = file_.domain_defaults();
        for (std::size_t i = 0; i < values.size() && draw(0, 1) == 0; ++i) {
            const plugin::Parameter& row = file_.descriptor().domain_parameters[i];
            values[i] = draw(row.least, std::min<std::int64_t>(row.most, 20'000)); // as long as these runs
        }
        return values;
    }

    std::unique_ptr<Behaviour> behaviour() {
        switch (draw(0, 5)) {
        case 0:
            return std::make_unique<Hog>();
        case 1:
            return std::make_unique<Periodic>(microseconds(draw(100, 5'000)), microseconds(draw(1, 400)));
        case 2:
            return std::make_unique<TickDodger>(tick, microseconds(draw(10, 500)),
                                                microseconds(draw(1, 200)));
        case 3:
            return std::make_unique<YieldStorm>(microseconds(draw(5, 500)));
        default:
            return std::make_unique<RandomSleeper>(random_(), microseconds(draw(10, 5'000)),
                                                   microseconds(draw(10, 9'000)));
        }
    }

    std::uint64_t affinity() {
        const std::uint64_t all = (std::uint64_t{1} << pcpus_) - 1;
        const std::uint64_t some = static_cast<std::uint64_t>(draw(0, 15)) & all;
        return some == 0 || draw(0, 1) == 0 ? all : some;
    }

    void add_domain() {
        std::vector<std::unique_ptr<Behaviour>> behaviours;
        for (std::int64_t i = draw(1, 3); i > 0; --i)
            behaviours.push_back(behaviour());
        domains_.push_back(
            machine_.add_domain(weight(), cap(), std::move(behaviours), affinity(), domain_values()));
    }
    std::uint32_t weight() { return static_cast<std::uint32_t>(draw(32, 1'024)); }
    std::uint32_t cap() { return draw(0, 3) == 0 ? static_cast<std::uint32_t>(draw(1, 150)) : 0; }

    void act() {
        const auto vcpus = machine_.vcpus();
        const auto any_domain = [&] {
            return static_cast<std::size_t>(draw(0, static_cast<std::int64_t>(domains_.size()) - 1));
        };
        const auto any_vcpu = [&] {
            return vcpus[static_cast<std::size_t>(draw(0, static_cast<std::int64_t>(vcpus.size()) - 1))];
        };
        if (domains_.empty() || (domains_.size() < 8 && draw(0, 3) == 0))
            return add_domain();
        switch (draw(0, 7)) {
        case 0: {
            const std::size_t which = any_domain();
            machine_.destroy_domain(domains_[which]);
            domains_.erase(domains_.begin() + static_cast<std::ptrdiff_t>(which));
            return;
        }
        case 1:
            return machine_.set_share(domains_[any_domain()], weight(), cap());
        case 2:
        case 3:
            return machine_.pause(any_vcpu());
        case 4:
        case 5:
        case 6:
            return machine_.unpause(any_vcpu());
        default:
            return machine_.set_affinity(any_vcpu(), affinity());
        }
    }

    std::mt19937_64 random_;
    PluginFile file_;
    std::uint32_t pcpus_;
    Machine machine_;
    std::vector<std::uint16_t> domains_;
};

TEST_P(Properties, RandomMachinesAreLegalAndWorkConserving) {
    for (std::uint64_t seed = 1; seed <= 80; ++seed) {
        Chaos chaos{file_, seed};
        ASSERT_NO_THROW(chaos.run(120)) << "seed " << seed;
    }
}

// Each instant of each pCPU is somebody's: guests, idle, or switching.
TEST_P(Properties, TimeAddsUp) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine{
            file_,
            {.pcpus = 2, .seed = seed, .parameters = {}, .timer_error = microseconds(5), .switch_cost = {}}};
        for (std::uint64_t i = 0; i < 5; ++i)
            machine.add_domain(256, 0, one<RandomSleeper>(seed * 10 + i, milliseconds(3), milliseconds(4)));
        machine.run_for(milliseconds(300));
        Nanos sum = machine.idle();
        for (std::uint16_t domain = 1; domain <= 5; ++domain)
            sum += machine.ran(domain);
        EXPECT_EQ(sum, milliseconds(600)) << "seed " << seed;
    }
}

// Nobody who can run waits for ever, also with unequal weights, storms and many vCPUs.
TEST_P(Properties, NobodyStarves) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Machine machine{file_, realistic(1 + seed % 2)};
        machine.add_domain(32, 0, hogs(1));
        machine.add_domain(1'024, 0, hogs(2));
        machine.add_domain(256, 0, dodger());
        machine.add_domain(256, 0, one<YieldStorm>(microseconds(30)));
        machine.add_domain(512, 0, one<Periodic>(microseconds(100), microseconds(40)));
        machine.add_domain(256, 0, one<RandomSleeper>(seed, milliseconds(2), milliseconds(2)));
        machine.run_for(milliseconds(4'000));
        for (const VcpuKey& key : machine.vcpus()) {
            EXPECT_LE(machine.longest_wait(key), milliseconds(1'500)) << name_of(key);
            EXPECT_GT(machine.of(key).ran, Nanos{}) << name_of(key);
        }
    }
}

TEST_P(Properties, TheSameSeedGivesTheSameRun) {
    const auto run = [&] {
        Chaos chaos{file_, 42};
        chaos.run(200);
        return std::pair{chaos.machine().switches(), chaos.machine().idle()};
    };
    EXPECT_EQ(run(), run());
}

TEST_P(Properties, ASwitchOfEveryVcpuToAFreshPolicyLosesNone) {
    Machine machine{file_, realistic(2)};
    for (int round = 0; round < 50; ++round) { // all leave, all come back: what a swap does to either policy
        const auto first = machine.add_domain(256, 0, hogs(2));
        const auto second = machine.add_domain(512, 20, hogs(1));
        machine.run_for(milliseconds(3));
        machine.destroy_domain(first);
        machine.run_for(milliseconds(1));
        machine.destroy_domain(second);
        EXPECT_TRUE(machine.vcpus().empty());
    }
    const auto last = machine.add_domain(256, 0, hogs(2));
    const Nanos before = machine.ran(last);
    machine.run_for(milliseconds(100));
    EXPECT_GT(machine.ran(last) - before, milliseconds(190));
}

// From this policy to every other one and back, again and again, while guests come, go, sleep and are moved.
TEST_P(Properties, SwapsInFlightLoseNobody) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Chaos chaos{file_, seed};
        for (const auto& path : scheduler_files()) {
            ASSERT_NO_THROW(chaos.run(15)) << "seed " << seed;
            ASSERT_NO_THROW(chaos.machine().swap(opened(path))) << path << ", seed " << seed;
            ASSERT_NO_THROW(chaos.run(15)) << "after " << path << ", seed " << seed;
            ASSERT_NO_THROW(chaos.machine().swap(file_)) << "seed " << seed;
        }
    }
}

TEST_P(Properties, AfterASwapSharesAreTheSuccessors) {
    for (const auto& path : scheduler_files()) {
        Machine machine{opened(path), realistic()};
        machine.add_domain(256, 0, hogs(1));
        machine.add_domain(256, 0, hogs(1));
        machine.run_for(milliseconds(100));
        machine.swap(file_);
        const Nanos before = machine.ran(1);
        machine.run_for(milliseconds(1'000));
        EXPECT_NEAR(static_cast<double>((machine.ran(1) - before).count()), 500e6, 20e6) << path;
        EXPECT_GT(machine.ran(2), milliseconds(480)) << path;
    }
}

TEST_P(Properties, HundredsOfVcpusAllRun) {
    Machine machine{file_, {.pcpus = 4, .seed = 1, .parameters = {}, .timer_error = {}, .switch_cost = {}}};
    for (int i = 0; i < 100; ++i)
        machine.add_domain(256, 0, hogs(2));
    machine.run_for(milliseconds(3'000));
    for (const VcpuKey& key : machine.vcpus())
        EXPECT_GT(machine.of(key).ran, Nanos{0}) << name_of(key);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Properties, testing::ValuesIn(scheduler_files()), test_name);

} // namespace
} // namespace bulkhead::policy_test
