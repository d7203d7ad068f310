#include "tests/policy/machine.hpp"

#include <cstring>

namespace bulkhead::policy_test {

using sched::Stop;

namespace {
// A policy's arena is bounded in the hypervisor; the same order of magnitude here.
constexpr std::size_t arena_bytes = 1 << 20;
} // namespace

Storage::Storage(std::size_t bytes)
    : bytes_{bytes}, memory_{static_cast<std::byte*>(::operator new(bytes, std::align_val_t{64}))} {
    std::memset(memory_.get(), 0, bytes);
}

Storage::~Storage() {
    if (memory_)
        std::memset(memory_.get(), 0xdd, bytes_);
}

Machine::Machine(const PluginFile& plugin, MachineOptions options)
    : plugin_{plugin}, options_{std::move(options)}, random_{options_.seed},
      policy_random_{options_.seed + 1}, pcpus_{plugin.descriptor().pcpu_bytes * options_.pcpus},
      policy_{plugin.descriptor().policy_bytes}, cores_(options_.pcpus) {
    if (options_.parameters.empty())
        options_.parameters = plugin_.defaults();
    host_.context = this;
    host_.pcpus = options_.pcpus;
    host_.now = [](void* self) { return static_cast<Machine*>(self)->now_; };
    host_.random = [](void* self) { return static_cast<Machine*>(self)->policy_random_(); };
    host_.note = [](void*, std::uint64_t, std::uint64_t) {};
    host_.allocate = [](void* self, std::size_t bytes, std::size_t) -> void* {
        auto& arena = static_cast<Machine*>(self)->arena_;
        if (bytes > arena_bytes || arena.size() >= 1024)
            return nullptr;
        return arena.emplace_back(bytes).at();
    };
    host_.kick = [](void* self, PcpuId pcpu) {
        auto& machine = *static_cast<Machine*>(self);
        if (pcpu.value() < machine.cores_.size())
            machine.cores_[pcpu.value()].kicked = true;
        else // cannot throw through the plug-in's frames
            machine.complaint_ = "kicked a pCPU that does not exist";
    };
    start_policy();
    for (std::size_t i = 0; i < cores_.size(); ++i)
        pick(i);
}

void Machine::start_policy() {
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        plugin_.hooks().create_pcpu(pcpus_.at(i * plugin_.descriptor().pcpu_bytes));
        view(i).id = PcpuId{static_cast<std::uint16_t>(i)};
    }
    plugin_.hooks().create(policy_.at(), host_, &view(0), options_.parameters.data());
}

Machine::~Machine() = default;

sched::Pcpu& Machine::view(std::size_t core) {
    return *reinterpret_cast<sched::Pcpu*>(pcpus_.at(core * plugin_.descriptor().pcpu_bytes));
}

Machine::Thread& Machine::thread(VcpuKey key) { return threads_.at(key); }

Machine::Thread* Machine::find(const sched::Vcpu* vcpu) {
    for (auto& [key, thread] : threads_)
        if (&view(thread) == vcpu)
            return &thread;
    return nullptr;
}

std::uint16_t Machine::add_domain(std::uint32_t weight, std::uint32_t cap,
                                  std::vector<std::unique_ptr<Behaviour>> behaviours, std::uint64_t affinity,
                                  const std::vector<std::int64_t>& values) {
    const std::uint16_t id = next_domain_++;
    Storage storage{plugin_.descriptor().domain_bytes};
    plugin_.hooks().create_domain(storage.at());
    auto* domain = reinterpret_cast<sched::Domain*>(storage.at());
    domain->id = DomainId{id};
    domain->weight = weight;
    domain->cap = cap;
    std::ranges::copy(values.empty() ? plugin_.domain_defaults() : values, domain->values);
    guests_.emplace(id, Guest{std::move(storage), cap != 0});
    for (std::uint16_t i = 0; i < behaviours.size(); ++i) {
        Storage memory{plugin_.descriptor().vcpu_bytes};
        plugin_.hooks().create_vcpu(memory.at());
        const VcpuKey key{id, i};
        Thread& thread = threads_
                             .emplace(key, Thread{.storage = std::move(memory),
                                                  .behaviour = std::move(behaviours[i]),
                                                  .statistics = {},
                                                  .key = key})
                             .first->second;
        sched::Vcpu& vcpu = view(thread);
        vcpu.domain = domain;
        vcpu.id = VcpuId{i};
        vcpu.affinity = affinity;
        vcpu.last_pcpu = PcpuId{0};
        ++domain->vcpus;
        plugin_.hooks().attach(policy_.at(), vcpu);
        wake(thread);
    }
    settle();
    return id;
}

void Machine::swap(const PluginFile& successor) {
    for (Core& core : cores_)
        if (core.running != nullptr)
            stop(core, Stop::preempted);
    plugin_ = successor;
    options_.parameters = plugin_.defaults();
    const auto& descriptor = plugin_.descriptor();
    policy_ = Storage{descriptor.policy_bytes};
    pcpus_ = Storage{descriptor.pcpu_bytes * cores_.size()};
    start_policy();
    for (auto& [id, guest] : guests_) {
        Storage memory{descriptor.domain_bytes};
        plugin_.hooks().create_domain(memory.at());
        const auto* old = reinterpret_cast<const sched::Domain*>(guest.storage.at());
        auto* domain = reinterpret_cast<sched::Domain*>(memory.at());
        domain->id = old->id, domain->weight = old->weight, domain->cap = old->cap;
        std::ranges::copy(plugin_.domain_defaults(), domain->values);
        guest.storage = std::move(memory);
    }
    for (auto& [key, thread] : threads_) {
        Storage memory{descriptor.vcpu_bytes};
        plugin_.hooks().create_vcpu(memory.at());
        auto* domain = reinterpret_cast<sched::Domain*>(guests_.at(key.first).storage.at());
        auto* vcpu = reinterpret_cast<sched::Vcpu*>(memory.at());
        vcpu->domain = domain, vcpu->id = VcpuId{key.second};
        vcpu->affinity = view(thread).affinity, vcpu->last_pcpu = view(thread).last_pcpu;
        thread.storage = std::move(memory);
        ++domain->vcpus;
        plugin_.hooks().attach(policy_.at(), *vcpu);
        if (thread.state == State::queued)
            plugin_.hooks().wake(policy_.at(), *vcpu, now_);
    }
    for (std::size_t i = 0; i < cores_.size(); ++i)
        pick(i);
    settle();
}

void Machine::destroy_domain(std::uint16_t domain) {
    for (const VcpuKey& key : vcpus()) {
        if (key.first != domain)
            continue;
        Thread& going = thread(key);
        leave_queue(going, Stop::gone);
        plugin_.hooks().detach(policy_.at(), view(going));
        --view(going).domain->vcpus;
        threads_.erase(key);
        settle();
    }
    guests_.erase(domain);
}

void Machine::set_share(std::uint16_t domain, std::uint32_t weight, std::uint32_t cap) {
    Guest& guest = guests_.at(domain);
    auto* view_of_domain = reinterpret_cast<sched::Domain*>(guest.storage.at());
    view_of_domain->weight = weight;
    view_of_domain->cap = cap;
    guest.capped = cap != 0;
    plugin_.hooks().tune(policy_.at(), *view_of_domain);
    settle();
}

void Machine::charge(VcpuKey key, Nanos amount) {
    plugin_.hooks().charge(policy_.at(), view(thread(key)), amount);
    settle();
}

void Machine::pause(VcpuKey key) {
    Thread& paused = thread(key);
    if (paused.paused)
        return;
    paused.pending = paused.state != State::blocked;
    paused.paused = true;
    leave_queue(paused, Stop::paused);
    settle();
}

void Machine::unpause(VcpuKey key) {
    Thread& paused = thread(key);
    if (!paused.paused)
        return;
    paused.paused = false;
    if (paused.pending)
        wake(paused);
    settle();
}

void Machine::set_affinity(VcpuKey key, std::uint64_t affinity) {
    const bool was_paused = thread(key).paused;
    pause(key);
    view(thread(key)).affinity = affinity;
    if (!was_paused)
        unpause(key);
}

void Machine::run_for(Nanos duration) {
    const RealTime end = now_ + duration;
    while (next_event() <= end) {
        now_ = std::max(now_, next_event());
        advance();
        settle();
    }
    now_ = end;
}

const Machine::Statistics& Machine::of(VcpuKey key) const { return threads_.at(key).statistics; }

Nanos Machine::ran(std::uint16_t domain) const {
    Nanos sum{};
    for (const auto& [key, thread] : threads_)
        if (key.first == domain)
            sum += thread.statistics.ran;
    for (const Core& core : cores_) // the part of a run that has not ended yet
        if (core.running != nullptr && core.running->key.first == domain && now_ > core.started)
            sum += now_ - core.started;
    return sum;
}

Nanos Machine::longest_wait(VcpuKey key) const {
    const Thread& thread = threads_.at(key);
    const Nanos present = thread.state == State::queued ? now_ - thread.since : Nanos{};
    return std::max(thread.statistics.longest_wait, present);
}

double Machine::share(std::uint16_t domain) const {
    const Nanos all = now_.since_start() * static_cast<std::int64_t>(cores_.size());
    return static_cast<double>(ran(domain).count()) / static_cast<double>(all.count());
}

std::vector<VcpuKey> Machine::vcpus() const {
    std::vector<VcpuKey> keys;
    for (const auto& [key, thread] : threads_)
        keys.push_back(key);
    return keys;
}

Nanos Machine::idle() const {
    Nanos sum{};
    for (const Core& core : cores_)
        sum += core.idle + (core.running == nullptr ? now_ - core.idle_since : Nanos{});
    return sum;
}

} // namespace bulkhead::policy_test
