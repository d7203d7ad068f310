// How many scheduling decisions the simulator makes per second, and what 100,000 vCPUs take in memory. Built
// only for `bulkhead bench`; the numbers are this computer's.
#include "sim/world.hpp"
#include "tests/policy/plugin_file.hpp"

#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdlib>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bulkhead::sim_bench {
namespace {

using namespace bulkhead::sim;

constexpr std::int64_t at_a_time = 10'000; // events
constexpr std::int64_t many = 100'000;     // vCPUs

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

// Past the first turns, unless that takes longer than anybody waits.
void warm_up(Machine& machine, std::int64_t vcpus) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{1};
    for (std::int64_t left = 3 * vcpus; left > 0 && std::chrono::steady_clock::now() < patience;
         left -= at_a_time)
        machine.run_until(RealTime::never(), at_a_time);
}

void decide(benchmark::State& state, const std::filesystem::path& policy, const ProgramMaker& program) {
    const auto world = machine(policy, state.range(0), program);
    warm_up(*world, state.range(0));
    const std::uint64_t start = world->decisions();
    for (auto _ : state)
        world->run_until(RealTime::never(), at_a_time);
    state.counters["decisions/s"] =
        benchmark::Counter(static_cast<double>(world->decisions() - start), benchmark::Counter::kIsRate);
}

// The most memory that a process of its own, with all it contains, ever had resident.
void reside(benchmark::State& state, const std::filesystem::path& policy) {
    for (auto _ : state) {
        const pid_t child = ::fork();
        if (child == 0) {
            const auto world = machine(policy, many, &sleeper);
            warm_up(*world, many);
            std::_Exit(0);
        }
        int status = 0;
        rusage used{};
        if (child < 0 || ::wait4(child, &status, 0, &used) != child || status != 0)
            return state.SkipWithError("the process ended before its time");
        state.counters["resident MiB"] = static_cast<double>(used.ru_maxrss) / 1024;
    }
}

} // namespace
} // namespace bulkhead::sim_bench

int main(int argc, char** argv) {
    using namespace bulkhead;
    auto files = policy_test::scheduler_files();
    std::erase_if(files, [](const auto& path) {
        return sim::PluginFile::open(path).value().has(sched::Trait::misbehaves);
    });
    for (const auto& path : files) // first: a process of its own still shares what this one has by then
        benchmark::RegisterBenchmark(
            ("resident/" + path.stem().string() + "/" + std::to_string(sim_bench::many)).c_str(),
            [path](benchmark::State& state) { sim_bench::reside(state, path); })
            ->Iterations(1)
            ->Unit(benchmark::kMillisecond);
    for (const auto& path : files)
        for (const auto& [name, program] :
             {std::pair{"busy", &sim_bench::busy}, {"sleepers", &sim_bench::sleeper}}) {
            const std::string title = "decisions/" + path.stem().string() + "/" + name;
            auto* bench =
                benchmark::RegisterBenchmark(title.c_str(), [path, program](benchmark::State& state) {
                    sim_bench::decide(state, path, program);
                });
            bench->Unit(benchmark::kMillisecond)->Arg(8)->Arg(1'000)->Arg(10'000)->Arg(sim_bench::many);
        }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
