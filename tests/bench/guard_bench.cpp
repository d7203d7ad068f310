// What the simulator's guard adds to the call of a hook: a function of three arguments that answers two
// registers, called directly and under guard.
#include "sim/guard.hpp"

#include <benchmark/benchmark.h>

namespace bulkhead::sim_bench {
namespace {

struct Pair {
    std::uint64_t first, second;
};
[[gnu::noinline]] Pair hook(void* policy, std::uint64_t& vcpu, RealTime now) {
    return {reinterpret_cast<std::uint64_t>(policy), vcpu + static_cast<std::uint64_t>(now > RealTime{})};
}
using Hook = Pair (*)(void*, std::uint64_t&, RealTime);

void raw_call(benchmark::State& state) {
    Hook function = &hook;
    benchmark::DoNotOptimize(function);
    std::uint64_t vcpu = 1, sum = 0;
    for (auto _ : state) {
        const Pair answer = function(&state, vcpu, RealTime{});
        benchmark::DoNotOptimize(sum += answer.first + answer.second);
        benchmark::ClobberMemory();
    }
}

void guarded_call(benchmark::State& state) {
    Hook function = &hook;
    benchmark::DoNotOptimize(function);
    sim::Guard guard;
    const sim::Guard::Scope scope;
    std::uint64_t vcpu = 1, sum = 0;
    for (auto _ : state) {
        const auto outcome = guard.call(function, static_cast<void*>(&state), vcpu, RealTime{});
        if (outcome.fault != plugin::Fault::none)
            return state.SkipWithError("a fault where there is none");
        benchmark::DoNotOptimize(sum += outcome.answer.first + outcome.answer.second);
        benchmark::ClobberMemory();
    }
}

void scope(benchmark::State& state) {
    const sim::Guard guard;
    for (auto _ : state)
        const sim::Guard::Scope scope;
}

void guard(benchmark::State& state) {
    for (auto _ : state)
        const sim::Guard guard;
}

BENCHMARK(raw_call)->Name("guard/raw call");
BENCHMARK(guarded_call)->Name("guard/guarded call");
BENCHMARK(scope)->Name("guard/scope");
BENCHMARK(guard)->Name("guard/guard");

} // namespace
} // namespace bulkhead::sim_bench
