// What a wake and a pick cost each policy with 10 to 10,000 vCPUs: bench_sched, built on request, never by
// the tests. It measures the plug-in's own code on this computer; what a switch costs in the hypervisor is
// the trace's to say.
#include "tests/policy/bench_kinds.hpp"
#include "tests/policy/plugin_file.hpp"

#include <benchmark/benchmark.h>
#include <cstddef>
#include <deque>

namespace bulkhead::policy_test {
namespace {

// The least host that lets a policy work: nothing happens but what the benchmark does.
class Bench {
  public:
    Bench(const PluginFile& file, std::size_t vcpus, std::size_t per_domain) : file_{file} {
        host_.context = this;
        host_.pcpus = 1;
        host_.now = [](void* self) { return static_cast<Bench*>(self)->now_; };
        host_.random = [](void*) { return std::uint64_t{4}; };
        host_.note = [](void*, std::uint64_t, std::uint64_t) {};
        host_.kick = [](void*, PcpuId) {};
        host_.allocate = [](void* self, std::size_t bytes, std::size_t) {
            return static_cast<Bench*>(self)->memory(bytes);
        };
        const auto& descriptor = file_.descriptor();
        pcpu_ = static_cast<sched::Pcpu*>(memory(descriptor.pcpu_bytes));
        file_.hooks().create_pcpu(pcpu_);
        pcpu_->id = PcpuId{0};
        policy_ = memory(descriptor.policy_bytes);
        file_.hooks().create(policy_, host_, pcpu_, file_.defaults().data());
        for (std::size_t i = 0; i < vcpus; ++i)
            add(i % per_domain == 0, static_cast<std::uint16_t>(i / per_domain + 1));
    }

    // One goes to sleep and another wakes: all that a switch asks of a policy.
    void sleep_and_wake() {
        pass(microseconds(50));
        hooks().deschedule(policy_, *running_, sched::Stop::blocked, microseconds(50), now_);
        sched::Vcpu* const sleeper = running_;
        pick();
        pass(microseconds(10));
        hooks().wake(policy_, *sleeper, now_);
    }
    void end_slice() {
        pass(microseconds(500));
        hooks().deschedule(policy_, *running_, sched::Stop::slice_end, microseconds(500), now_);
        pick();
    }

  private:
    [[nodiscard]] const sched::Hooks& hooks() const { return file_.hooks(); }
    void pass(Nanos time) { now_ += time; }
    void pick() {
        const auto decision = hooks().pick(policy_, *pcpu_, now_);
        if (decision.vcpu == nullptr)
            throw std::runtime_error{"idle with runnable vCPUs"};
        running_ = decision.vcpu;
    }
    void* memory(std::size_t bytes) {
        const std::size_t units = (bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t);
        return memory_.emplace_back(units).data();
    }
    void add(bool first_of_domain, std::uint16_t domain) {
        if (first_of_domain) {
            domain_ = static_cast<sched::Domain*>(memory(file_.descriptor().domain_bytes));
            hooks().create_domain(domain_);
            domain_->id = DomainId{domain};
            domain_->weight = sched::default_weight;
            std::ranges::copy(file_.domain_defaults(), domain_->values);
        }
        auto* vcpu = static_cast<sched::Vcpu*>(memory(file_.descriptor().vcpu_bytes));
        hooks().create_vcpu(vcpu);
        vcpu->domain = domain_;
        vcpu->id = VcpuId{domain_->vcpus++};
        vcpu->affinity = ~std::uint64_t{0};
        hooks().attach(policy_, *vcpu);
        hooks().wake(policy_, *vcpu, now_);
        if (running_ == nullptr)
            pick();
    }

    PluginFile file_;
    plugin::Host host_{};
    RealTime now_{milliseconds(1).count()};
    std::deque<std::vector<std::max_align_t>> memory_;
    sched::Pcpu* pcpu_ = nullptr;
    sched::Domain* domain_ = nullptr;
    void* policy_ = nullptr;
    sched::Vcpu* running_ = nullptr;
};

using Step = void (Bench::*)();

void measure(benchmark::State& state, const PluginFile& file, Step step) {
    Bench bench{file, static_cast<std::size_t>(state.range(0)), 4};
    for (auto _ : state)
        (bench.*step)();
    state.SetComplexityN(state.range(0));
}

void add(const PluginFile& file, const char* what, Step step) {
    benchmark::RegisterBenchmark((file.name() + "/" + what).c_str(),
                                 [file, step](benchmark::State& state) { measure(state, file, step); })
        ->RangeMultiplier(10)
        ->Range(10, 10'000)
        ->MinTime(0.02)
        ->Complexity();
}

} // namespace
} // namespace bulkhead::policy_test

int main(int count, char** words) {
    using namespace bulkhead::policy_test;
    for (const auto& path : scheduler_files()) {
        const auto file = PluginFile::open(path).value();
        if (file.has(bulkhead::sched::Trait::misbehaves))
            continue;
        add(file, "end_slice", &Bench::end_slice);
        add(file, "sleep_and_wake", &Bench::sleep_and_wake);
    }
    add_kind_benchmarks();
    benchmark::Initialize(&count, words);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
