// How many scheduling decisions the simulator makes per second, and what a vCPU costs in memory. Built only
// for `bulkhead bench`; the numbers are this computer's.
#include "sim/world.hpp"
#include "tests/policy/plugin_file.hpp"

#include <benchmark/benchmark.h>
#include <fstream>

namespace bulkhead::sim_bench {
namespace {

using namespace bulkhead::sim;

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
    for (int i = 0; i < 3; ++i) // past the first turns
        world->run_until(RealTime::never(), static_cast<std::uint64_t>(state.range(0)));
    const std::uint64_t start = world->decisions();
    for (auto _ : state)
        world->run_until(RealTime::never(), 100'000);
    state.counters["decisions/s"] =
        benchmark::Counter(static_cast<double>(world->decisions() - start), benchmark::Counter::kIsRate);
    state.counters["bytes/vcpu"] =
        static_cast<double>(resident_bytes() - before) / static_cast<double>(state.range(0));
}

} // namespace
} // namespace bulkhead::sim_bench

int main(int argc, char** argv) {
    using namespace bulkhead;
    for (const auto& path : policy_test::scheduler_files())
        for (const auto& [name, program] :
             {std::pair{"busy", &sim_bench::busy}, {"sleepers", &sim_bench::sleeper}}) {
            const std::string title = "decisions/" + path.stem().string() + "/" + name;
            auto* bench =
                benchmark::RegisterBenchmark(title.c_str(), [path, program](benchmark::State& state) {
                    sim_bench::decide(state, path, program);
                });
            bench->Unit(benchmark::kMillisecond)->Arg(8)->Arg(1'000)->Arg(10'000)->Arg(100'000);
        }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
