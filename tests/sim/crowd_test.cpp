// Many vCPUs and few of them: no scheduler is ejected because of its tenants' number, and weight counts for
// domains. The machine is strict: whatever the host would eject a policy for ends the test.
#include "tests/sim/worlds.hpp"

#include <gtest/gtest.h>

namespace bulkhead::sim_test {
namespace {

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

GuestPlan crowd(std::string name, std::uint32_t vcpus, std::uint32_t weight = 256) {
    GuestPlan planned = guest(std::move(name), "cpu_hog", {{"all_vcpus", "1"}}, weight);
    planned.vcpus = vcpus;
    return planned;
}

std::vector<GuestPlan> crowds(int guests, std::uint32_t vcpus) {
    std::vector<GuestPlan> planned;
    for (int i = 0; i < guests; ++i)
        planned.push_back(crowd("crowd" + std::to_string(i), vcpus));
    return planned;
}

class Crowd : public testing::TestWithParam<std::filesystem::path> {
  protected:
    static landmark::Page run(std::vector<GuestPlan> guests, Nanos duration, std::uint32_t pcpus) {
        Plan planned = plan(std::move(guests), duration, pcpus);
        planned.machine.eject = false;
        planned.machine.trace_groups = 0;
        World world{policy_of(PluginFile::open(GetParam()).value()), std::move(planned)};
        return finish(world);
    }
};

TEST_P(Crowd, OfTwentyTwoGuestsEjectsNoPolicy) {
    for (const std::uint32_t pcpus : {1U, 2U})
        EXPECT_EQ(run(crowds(22, 32), milliseconds(15'000), pcpus).exit_status, landmark::Exit::time_over);
}

TEST_P(Crowd, OfTenThousandVcpusEjectsNoPolicy) {
    EXPECT_EQ(run(crowds(313, 32), milliseconds(8'000), 2).exit_status, landmark::Exit::time_over);
    EXPECT_EQ(run(crowds(2'000, 5), milliseconds(8'000), 2).exit_status, landmark::Exit::time_over);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Crowd, testing::ValuesIn([] {
                             auto files = policy_test::scheduler_files();
                             std::erase_if(files, [](const auto& path) {
                                 return PluginFile::open(path).value().has(sched::Trait::misbehaves);
                             });
                             return files;
                         }()),
                         test_name);

std::string policy_name(const testing::TestParamInfo<const char*>& tested) { return tested.param; }

class Weights : public testing::TestWithParam<const char*> {
  protected:
    // The shares of domains 1 on, of a run of 40 s under a strict host: each of 32 hogs of weight 20 against
    // 1,000 waits for longer than 2 s.
    static std::vector<double> shares(std::vector<GuestPlan> guests) {
        Plan planned = plan(std::move(guests), milliseconds(40'000));
        planned.machine.eject = false;
        planned.machine.trace_groups = 0;
        World world{policy_of(policy_test::scheduler(GetParam())), std::move(planned)};
        finish(world);
        std::vector<double> found;
        for (std::size_t i = 1; i < world.machine().domains().size(); ++i)
            found.push_back(share(world, i));
        return found;
    }
};

TEST_P(Weights, CountDomainsAndNotTheirVcpus) {
    const auto found = shares({crowd("light", 32, 20), crowd("heavy", 1, 1'000)});
    EXPECT_NEAR(found[0], 20.0 / 1'020, 0.002);
}

TEST_P(Weights, OfEightTinyGuestsStayTiny) {
    std::vector<GuestPlan> guests{crowd("heavy", 1, 1'000)};
    for (int i = 0; i < 8; ++i)
        guests.push_back(crowd("tiny" + std::to_string(i), 32, 1));
    const auto found = shares(std::move(guests));
    EXPECT_NEAR(found[0], 1'000.0 / 1'008, 0.005);
}

INSTANTIATE_TEST_SUITE_P(Proportional, Weights,
                         testing::Values("bvt", "credit", "credit2", "eevdf", "stride"), policy_name);

} // namespace
} // namespace bulkhead::sim_test
