// What every policy promises, in the simulator: pCPUs do not idle beside work, nobody starves, nobody is lost
// while guests are paused, moved, reweighted, destroyed and built again.
#include "tests/sim/worlds.hpp"

#include <gmock/gmock.h>

namespace bulkhead::sim_test {
namespace {

using manifest::Action;

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

// The schedulers of this build that lack these traits.
auto without(std::initializer_list<sched::Trait> traits) {
    std::vector<std::filesystem::path> files = policy_test::scheduler_files();
    std::erase_if(files, [&](const std::filesystem::path& path) {
        const PluginFile file = policy_test::opened(path);
        return std::ranges::any_of(traits, [&](sched::Trait trait) { return file.has(trait); });
    });
    return testing::ValuesIn(files);
}

class Simulated : public testing::TestWithParam<std::filesystem::path> {
  protected:
    [[nodiscard]] static PluginFile file() { return policy_test::opened(GetParam()); }
};
class SimulatedConserving : public Simulated {};

std::vector<GuestPlan> hogs(int count) {
    std::vector<GuestPlan> guests;
    for (int i = 0; i < count; ++i)
        guests.push_back(hog("hog" + std::to_string(i)));
    return guests;
}

TEST_P(SimulatedConserving, NoPcpuIdlesBesideWork) {
    for (const std::uint32_t pcpus : {1u, 2u, 4u}) {
        World world{policy_of(file()), plan(hogs(6), milliseconds(500), pcpus)};
        const auto page = finish(world);
        for (std::uint32_t i = 0; i < pcpus; ++i) {
            const auto& cpu = page.pcpu_ledgers[i];
            const double idle = static_cast<double>(cpu.idle_ns) / static_cast<double>(cpu.end - cpu.start);
            EXPECT_LT(idle, 0.01) << "pCPU " << i << " of " << pcpus;
        }
    }
}

TEST_P(Simulated, NobodyStarves) {
    World world{policy_of(file()), plan(hogs(12), milliseconds(4'000), 2)};
    finish(world);
    std::int64_t longest = 0;
    for (const auto& ring : world.machine().recorder().rings())
        for (const trace::Record& record : ring.records)
            if (record.event == static_cast<std::uint16_t>(trace::Event::run_in))
                longest = std::max(longest, static_cast<std::int64_t>(record.b));
    EXPECT_LT(longest, 1'200'000'000);
    for (const Domain& domain : world.machine().domains())
        EXPECT_GT(domain.ledger.run_ins, 0u) << domain.ledger.name;
}

TEST_P(Simulated, NobodyIsLostInAnEventfulLife) {
    Plan planned = plan(hogs(5), milliseconds(900), 3);
    std::int64_t at = 20'000'000;
    const auto then = [&](Action action, std::uint32_t target, std::int64_t argument = 0) {
        planned.timeline.push_back({at, action, target, argument});
        at += 7'000'000;
    };
    for (int round = 0; round < 8; ++round) {
        then(Action::pause, 0);
        then(Action::set_affinity, 1, 1 + round % 7);
        then(Action::set_weight, 2, 64 << (round % 4));
        then(Action::unpause, 0);
        then(Action::destroy, 3);
        then(Action::create, 3);
        then(Action::set_affinity, 1, 7);
    }
    std::ranges::stable_sort(planned.timeline, {}, &manifest::TimelineEntry::at);
    planned.machine.eject = false; // a wrong answer ends the test
    World world{policy_of(file()), std::move(planned)};
    const auto page = finish(world);
    EXPECT_EQ(page.exit_status, landmark::Exit::time_over);
    std::map<std::string, std::int64_t> lives, last;
    for (const Domain& domain : world.machine().domains()) {
        ++lives[domain.ledger.name];
        last[domain.ledger.name] = domain.ledger.guest_ns;
    }
    EXPECT_EQ(lives["hog3"], 9); // at the start, and in each round
    for (const auto& [name, guest_ns] : last)
        if (name != "dom0") {
            EXPECT_GT(guest_ns, 10'000'000) << name;
        }
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Simulated, without({sched::Trait::misbehaves}), test_name);
INSTANTIATE_TEST_SUITE_P(Schedulers, SimulatedConserving,
                         without({sched::Trait::misbehaves, sched::Trait::idles}), test_name);

} // namespace
} // namespace bulkhead::sim_test
