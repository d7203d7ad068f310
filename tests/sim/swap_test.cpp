// Schedulers that take over in the middle of a simulated run: nobody is lost, accounts stay whole, weights
// and affinities survive.
#include "tests/sim/worlds.hpp"

#include <gmock/gmock.h>

namespace bulkhead::sim_test {
namespace {

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

class Swaps : public testing::TestWithParam<std::filesystem::path> {
  protected:
    static constexpr std::int64_t there = 300'000'000, back = 600'000'000; // ns

    // One policy, then the tested one, then the first again.
    static Plan there_and_back(std::vector<GuestPlan> guests, std::uint32_t pcpus) {
        Plan planned = plan(std::move(guests), milliseconds(900), pcpus);
        const Costs costs = in_nanoseconds(planned.machine.costs, planned.instruction);
        planned.successors = {{policy_of(PluginFile::open(GetParam()).value()), costs}, {first(), costs}};
        planned.timeline = {{there, manifest::Action::swap, 0, 0}, {back, manifest::Action::swap, 0, 1}};
        return planned;
    }
    static Policy first() { return policy_of(policy_test::scheduler("round_robin")); }
};

std::vector<GuestPlan> talkers_and_hogs() {
    return {guest("victim", "responder", {{"peer", "pinger"}, {"work", "3125"}}),
            guest("pinger", "pinger",
                  {{"peer", "victim"}, {"period_us", "1130"}, {"phase_ns", "0"}, {"requests", "0"}}),
            hog("one"), hog("two"), hog("three")};
}

// How often each domain was put on a pCPU in [from, to).
std::map<std::uint16_t, int> turns(World& world, std::int64_t from, std::int64_t to) {
    std::map<std::uint16_t, int> found;
    for (const auto& ring : world.machine().recorder().rings())
        for (const trace::Record& record : ring.records)
            if (record.event == static_cast<std::uint16_t>(trace::Event::run_in) && record.time >= from &&
                record.time < to)
                ++found[record.domain];
    return found;
}

TEST_P(Swaps, LoseNobody) {
    for (const std::uint32_t pcpus : {1u, 3u}) {
        World world{first(), there_and_back(talkers_and_hogs(), pcpus)};
        const auto page = finish(world);
        EXPECT_EQ(page.policies[0].ejected, 0u);
        EXPECT_STREQ(page.policies[0].name, "round_robin");
        for (const std::int64_t from : {std::int64_t{0}, there, back})
            EXPECT_THAT(turns(world, from + 50'000'000, from + 300'000'000),
                        testing::SizeIs(testing::Ge(5u)));
        for (std::uint32_t i = 0; i < pcpus; ++i) {
            const auto& cpu = page.pcpu_ledgers[i];
            EXPECT_EQ(cpu.end - cpu.start, cpu.guest_ns + cpu.hypervisor_ns + cpu.idle_ns + cpu.unbilled_ns);
        }
    }
}

TEST_P(Swaps, AreTheSameEachTime) {
    const auto records = [&] {
        World world{first(), there_and_back(talkers_and_hogs(), 2)};
        finish(world);
        return std::move(world.machine().recorder().rings()[0].records);
    };
    const auto one = records(), other = records();
    ASSERT_EQ(one.size(), other.size());
    EXPECT_EQ(std::memcmp(one.data(), other.data(), one.size() * sizeof(trace::Record)), 0);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Swaps, testing::ValuesIn([] {
                             auto files = policy_test::scheduler_files();
                             std::erase_if(files, [](const auto& path) {
                                 return PluginFile::open(path).value().has(sched::Trait::misbehaves);
                             });
                             return files;
                         }()),
                         test_name);

TEST(Swap, WeightsChangedBeforeArePassedOn) {
    Plan planned = plan({hog("light"), hog("heavy")}, milliseconds(4'000));
    const Costs costs = in_nanoseconds(planned.machine.costs, planned.instruction);
    planned.successors = {{policy_of(policy_test::scheduler("stride")), costs}};
    planned.timeline = {{100'000'000, manifest::Action::set_weight, 1, 768},
                        {200'000'000, manifest::Action::swap, 0, 0}};
    World world{policy_of(policy_test::scheduler("credit")), std::move(planned)};
    const auto page = finish(world);
    EXPECT_STREQ(page.policies[0].name, "stride");
    EXPECT_NEAR(share(world, 2), 0.75, 0.02);
}

TEST(Swap, AffinitiesArePassedOn) {
    Plan planned = plan({hog("a"), hog("b"), hog("c")}, milliseconds(1'000), 2);
    const Costs costs = in_nanoseconds(planned.machine.costs, planned.instruction);
    planned.successors = {{policy_of(policy_test::scheduler("stride")), costs}};
    planned.timeline = {{1'000'000, manifest::Action::set_affinity, 0, 2},
                        {2'000'000, manifest::Action::set_affinity, 1, 2},
                        {3'000'000, manifest::Action::set_affinity, 2, 2},
                        {200'000'000, manifest::Action::swap, 0, 0}};
    World world{policy_of(policy_test::scheduler("round_robin")), std::move(planned)};
    finish(world);
    for (const trace::Record& record : world.machine().recorder().rings()[0].records)
        if (record.event == static_cast<std::uint16_t>(trace::Event::run_in) && record.time > 50'000'000) {
            EXPECT_EQ(record.domain, 0u) << "a pinned guest ran elsewhere at " << record.time;
        }
}

TEST(Swap, AMisbehavingSuccessorIsEjectedAndNotForgotten) {
    Plan planned = plan({hog("a"), hog("b")}, milliseconds(500));
    Policy chaos = policy_of(policy_test::scheduler("chaos"));
    chaos.values[0] = 3; // answers with a slice that is too short
    const Costs costs = in_nanoseconds(planned.machine.costs, planned.instruction);
    planned.successors = {{chaos, costs}, {policy_of(policy_test::scheduler("credit")), costs}};
    planned.timeline = {{100'000'000, manifest::Action::swap, 0, 0},
                        {400'000'000, manifest::Action::swap, 0, 1}};
    World world{policy_of(policy_test::scheduler("stride")), std::move(planned)};
    const auto page = finish(world);
    EXPECT_NE(page.policies[0].ejected, 0u);
    EXPECT_STREQ(page.policies[0].name, "chaos");
    EXPECT_GT(share(world, 1), 0.3);
}

} // namespace
} // namespace bulkhead::sim_test
