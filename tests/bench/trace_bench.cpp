// What decoding a trace costs: each case of trace_cases.py, the package's own Python, timed by Google
// Benchmark in an interpreter of this program. Built only for `bulkhead bench trace`.
#include <benchmark/benchmark.h>
#include <pybind11/embed.h>

namespace py = pybind11;

namespace {

void decode(benchmark::State& state, const py::object& act, std::int64_t records) {
    for (auto _ : state)
        act();
    state.counters["records/s"] =
        benchmark::Counter(static_cast<double>(records), benchmark::Counter::kIsIterationInvariantRate);
}

} // namespace

int main(int argc, char** argv) {
    const py::scoped_interpreter python;
    py::module_::import("sys").attr("path").attr("insert")(0, BULKHEAD_BENCH_FOLDER);
    const py::list cases = py::module_::import("trace_cases").attr("cases")();
    for (const py::handle each : cases) {
        const auto [name, records, act] = each.cast<std::tuple<std::string, std::int64_t, py::object>>();
        benchmark::RegisterBenchmark(("decode/" + name).c_str(), [act = act, records = records](
                                                                     benchmark::State& state) {
            decode(state, act, records);
        })->Unit(benchmark::kMillisecond);
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::ClearRegisteredBenchmarks(); // they hold Python objects
}
