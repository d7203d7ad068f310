// How many scheduling decisions the simulator makes per second, and what a vCPU costs in memory. Built only
// for `bulkhead bench`; the numbers are this computer's.
#include "sim/world.hpp"
#include "tests/policy/plugin_file.hpp"

#include <benchmark/benchmark.h>
#include <chrono>
#include <fstream>

namespace bulkhead::sim_bench {
namespace {

using namespace bulkhead::sim;

constexpr std::int64_t at_a_time = 10'000; // events

Policy load(const std::filesystem::path& path) {
    auto file = std::make_shared<PluginFile>(PluginFile::open(path).value());
    return {&file->descriptor(), file, file->defaults()};
}

Program busy(Guest& me) {
    for (;;)
        co_await me.run(milliseconds(10));
}

// Works for 100 us, sleeps for 300 us.
Program sleeper(Guest& me) {
    for (;;) {
        co_await me.run(microseconds(100));
        co_await me.block(me.now() + microseconds(300));
    }
}

// `vcpus` in domains of at most 32, all runnable from the start.
std::unique_ptr<Machine> machine(const std::filesystem::path& policy, std::int64_t vcpus,
                                 const ProgramMaker& program) {
    Options options;
    options.housekeeping = false;
    auto made = std::make_unique<Machine>(load(policy), options);
    const std::int64_t per_domain = vcpus > 32'768 ? 32 : 1;
    for (std::int64_t left = vcpus; left > 0; left -= per_domain) {
        DomainSpec spec;
        spec.programs.assign(static_cast<std::size_t>(std::min(left, per_domain)), program);
        made->unpause(
            made->create_domain(std::move(spec), DomainId{static_cast<std::uint16_t>(left / per_domain)}));
    }
    return made;
}

std::int64_t resident_bytes() {
    std::ifstream file{"/proc/self/statm"};
    std::int64_t whole = 0, resident = 0;
    file >> whole >> resident;
    return resident * 4096;
}

void decide(benchmark::State& state, const std::filesystem::path& policy, const ProgramMaker& program) {
    const std::int64_t before = resident_bytes();
    const auto world = machine(policy, state.range(0), program);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{1};
    for (std::int64_t left = 3 * state.range(0); left > 0 && std::chrono::steady_clock::now() < patience;
         left -= at_a_time) // past the first turns
        world->run_until(RealTime::never(), at_a_time);
    const std::uint64_t start = world->decisions();
    for (auto _ : state)
        world->run_until(RealTime::never(), at_a_time);
    state.counters["decisions/s"] =
        benchmark::Counter(static_cast<double>(world->decisions() - start), benchmark::Counter::kIsRate);
    state.counters["bytes/vcpu"] =
        static_cast<double>(resident_bytes() - before) / static_cast<double>(state.range(0));
}

} // namespace
} // namespace bulkhead::sim_bench

int main(int argc, char** argv) {
    using namespace bulkhead;
    using sim::PluginFile;
    for (const auto& path : policy_test::scheduler_files()) {
        const auto traits = PluginFile::open(path).value().descriptor().traits;
        if ((traits & static_cast<std::uint32_t>(sched::Trait::misbehaves)) != 0)
            continue;
        for (const auto& [name, program] :
             {std::pair{"busy", &sim_bench::busy}, {"sleepers", &sim_bench::sleeper}}) {
            const std::string title = "decisions/" + path.stem().string() + "/" + name;
            auto* bench =
                benchmark::RegisterBenchmark(title.c_str(), [path, program](benchmark::State& state) {
                    sim_bench::decide(state, path, program);
                });
            bench->Unit(benchmark::kMillisecond)->Arg(8)->Arg(1'000)->Arg(10'000)->Arg(100'000);
        }
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
