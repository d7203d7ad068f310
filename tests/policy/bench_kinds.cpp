#include "tests/policy/bench_kinds.hpp"

#include "memctl/contract.hpp"
#include "ringctl/contract.hpp"
#include "tests/policy/kinds.hpp"

#include <benchmark/benchmark.h>
#include <cstddef>
#include <deque>

namespace bulkhead::policy_test {
namespace {

// The least host that lets a policy work: memory, and a clock that the benchmark sets.
class Ground {
  public:
    Ground() {
        host_.context = this;
        host_.now = [](void* self) { return static_cast<Ground*>(self)->now; };
        host_.random = [](void*) { return std::uint64_t{4}; };
        host_.note = [](void*, std::uint64_t, std::uint64_t) {};
        host_.kick = [](void*, PcpuId) {};
        host_.allocate = [](void* self, std::size_t bytes, std::size_t) {
            return static_cast<Ground*>(self)->memory(bytes);
        };
    }
    Ground(const Ground&) = delete;
    Ground& operator=(const Ground&) = delete;

    void* memory(std::size_t bytes) {
        const std::size_t units = (bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t);
        return memory_.emplace_back(units).data();
    }
    [[nodiscard]] const plugin::Host& host() const { return host_; }
    RealTime now{milliseconds(1).count()};

  private:
    plugin::Host host_{};
    std::deque<std::vector<std::max_align_t>> memory_;
};

std::vector<std::int64_t> domain_defaults(const plugin::Descriptor& descriptor) {
    std::vector<std::int64_t> values;
    for (std::uint64_t i = 0; i < descriptor.domain_parameter_count; ++i)
        values.push_back(descriptor.domain_parameters[i].initial);
    return values;
}

// A ring for each domain, four requests queued in each.
class RingBench {
  public:
    RingBench(const sim::Policy& policy, std::size_t domains)
        : hooks_{*static_cast<const ringctl::Hooks*>(policy.descriptor->hooks)},
          object_{ground_.memory(policy.descriptor->policy_bytes)} {
        hooks_.create(object_, ground_.host(), 1, policy.values.data());
        for (std::size_t i = 0; i < domains; ++i)
            add(*policy.descriptor, static_cast<std::uint16_t>(i + 1));
    }
    // The device takes a request and is done with it, and its guest asks for another: all that one costs.
    void serve() {
        const ringctl::Decision decision = hooks_.next(object_, ground_.now);
        if (decision.request == nullptr) { // its rate does not allow any
            if (decision.until == RealTime::never())
                throw std::runtime_error{"idle with queued requests"};
            ground_.now = decision.until;
            return;
        }
        ground_.now += microseconds(400);
        hooks_.complete(object_, *decision.request, microseconds(400), ground_.now);
        enqueue(*decision.request);
    }

  private:
    void enqueue(ringctl::Request& request) {
        ringctl::Ring* const ring = request.ring;
        std::memset(static_cast<void*>(&request), 0, hooks_.request_bytes);
        hooks_.create_request(&request);
        request.ring = ring;
        request.number = next_++;
        request.bytes = 4'096;
        request.arrived = ground_.now;
        request.estimate = microseconds(410);
        hooks_.enqueue(object_, request, ground_.now);
    }
    void add(const plugin::Descriptor& descriptor, std::uint16_t id) {
        auto* domain = static_cast<ringctl::Domain*>(ground_.memory(descriptor.domain_bytes));
        hooks_.create_domain(domain);
        domain->id = DomainId{id};
        domain->weight = ringctl::default_weight;
        domain->rings = 1;
        std::ranges::copy(domain_defaults(descriptor), domain->values);
        auto* ring = static_cast<ringctl::Ring*>(ground_.memory(hooks_.ring_bytes));
        hooks_.create_ring(ring);
        ring->domain = domain;
        ring->number = id;
        hooks_.attach(object_, *ring);
        for (int i = 0; i < 4; ++i) {
            auto* request = static_cast<ringctl::Request*>(ground_.memory(hooks_.request_bytes));
            request->ring = ring;
            enqueue(*request);
        }
    }

    Ground ground_;
    const ringctl::Hooks& hooks_;
    void* object_;
    std::uint64_t next_ = 0;
};

// Domains of 16 MiB on a machine that has half of what they could use.
class MemoryBench {
  public:
    MemoryBench(const sim::Policy& policy, std::size_t domains)
        : hooks_{*static_cast<const memctl::Hooks*>(policy.descriptor->hooks)},
          object_{ground_.memory(policy.descriptor->policy_bytes)} {
        const memctl::Frames each{static_cast<std::int64_t>(domains) * size / 2 / zone_count};
        for (std::uint16_t i = 0; i < zone_count; ++i)
            zones_.push_back({memctl::ZoneId{i}, each, each});
        const memctl::Machine machine{zones_.data(), zone_count, memctl::Frames{each.count() * zone_count}};
        hooks_.create(object_, ground_.host(), machine, policy.values.data());
        for (std::size_t i = 0; i < domains; ++i)
            add(*policy.descriptor, static_cast<std::uint16_t>(i + 1));
        rebalance();
    }
    // A frame for one domain after the other.
    void choose() {
        memctl::Domain& domain = *rows_[turn_++ % rows_.size()].domain;
        benchmark::DoNotOptimize(hooks_.choose(object_, domain, memctl::Frames{1}));
    }
    // A look at all of them.
    void rebalance() {
        ground_.now += milliseconds(100);
        for (memctl::Row& row : rows_) {
            row.domain->missed = 3;
            hooks_.sample(object_, *row.domain, memctl::Frames{100}, memctl::Frames{60}, ground_.now);
        }
        hooks_.rebalance(object_, rows_.data(), static_cast<std::uint32_t>(rows_.size()), ground_.now);
        for (const memctl::Row& row : rows_)
            row.domain->has = row.domain->target = row.target;
    }

  private:
    static constexpr std::int64_t size = 4'096; // frames
    static constexpr std::uint16_t zone_count = 16;
    void add(const plugin::Descriptor& descriptor, std::uint16_t id) {
        auto* domain = static_cast<memctl::Domain*>(ground_.memory(descriptor.domain_bytes));
        hooks_.create_domain(domain);
        domain->id = DomainId{id};
        domain->weight = memctl::default_weight;
        domain->least = memctl::Frames{size / 16};
        domain->most = memctl::Frames{size};
        std::ranges::copy(domain_defaults(descriptor), domain->values);
        if (hooks_.admit(object_, *domain))
            rows_.push_back({domain, {}});
        else
            hooks_.depart(object_, *domain);
    }

    Ground ground_;
    const memctl::Hooks& hooks_;
    void* object_;
    std::vector<memctl::Zone> zones_;
    std::vector<memctl::Row> rows_;
    std::size_t turn_ = 0;
};

template<class Bench>
void add(const sim::Policy& policy, const std::string& what, void (Bench::*step)()) {
    benchmark::RegisterBenchmark(what.c_str(),
                                 [policy, step](benchmark::State& state) {
                                     Bench bench{policy, static_cast<std::size_t>(state.range(0))};
                                     for (auto _ : state)
                                         (bench.*step)();
                                 })
        ->RangeMultiplier(10)
        ->Range(10, 1'000)
        ->MinTime(0.02);
}

} // namespace

void add_kind_benchmarks() {
    for (const auto& path : files_of(plugin::Kind::memory)) {
        const sim::Policy policy = opened(plugin::Kind::memory, path);
        const std::string name = "memctl/" + path.stem().string();
        if (has(policy, plugin::Trait::misbehaves))
            continue;
        add(policy, name + "/choose", &MemoryBench::choose);
        add(policy, name + "/rebalance", &MemoryBench::rebalance);
    }
    for (const auto& path : files_of(plugin::Kind::ring)) {
        const sim::Policy policy = opened(plugin::Kind::ring, path);
        if (!has(policy, plugin::Trait::misbehaves))
            add(policy, "ringctl/" + path.stem().string() + "/serve", &RingBench::serve);
    }
}

} // namespace bulkhead::policy_test
