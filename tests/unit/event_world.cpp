// The doubles: the dispatcher's wake, the trace, and the table of domains.

#include "tests/unit/event_world.hpp"

#include "hv/dispatch/timers.hpp"
#include "hv/trace/trace.hpp"

#include <cstdio>
#include <cstdlib>

namespace bulkhead::hv {

namespace {
test::World* world = nullptr;
}

namespace test {

World::World(std::uint64_t frames)
    : machine{frames}, guest(1 << 16), guest_base{reinterpret_cast<std::uint64_t>(guest.data())} {
    world = this;
}

World::~World() { world = nullptr; }

Domain& World::add_domain(const char* name, std::uint32_t vcpus, bool privileged) {
    domains.push_back(std::make_unique<Domain>());
    Domain& domain = *domains.back();
    domain.console = consoles_.emplace_back(std::make_unique<Console>()).get();
    domain.sched.slot = static_cast<std::uint32_t>(domains.size() - 1);
    domain.id = DomainId{static_cast<std::uint16_t>(domain.sched.slot)};
    std::snprintf(domain.name, sizeof domain.name, "%s", name);
    domain.privileged = privileged;
    domain.life = control::Life::running;
    domain.memory.max_frames = 256;
    domain.memory.max_metadata = 256;
    domain.shared_frame = *frame_table().allocate_for_hypervisor();
    domain.shared = hv::machine::frame_as<shared_info_t>(domain.shared_frame);
    frame_table().share(domain.shared_frame, domain);
    for (std::uint32_t i = 0; i < vcpus; ++i) {
        vcpus_.push_back(std::make_unique<Vcpu>());
        Vcpu& vcpu = *vcpus_.back();
        vcpu.domain = &domain;
        vcpu.id = VcpuId{static_cast<std::uint16_t>(i)};
        vcpu.info = &domain.shared->vcpu_info[i];
        vcpu.processor.in_kernel = true;
        domain.vcpus[i] = &vcpu;
    }
    domain.vcpu_count = vcpus;
    if (!domain.events.start(domain))
        std::abort();
    return domain;
}

void World::remove_domain(Domain& domain) {
    for (auto& held : domains)
        if (held.get() == &domain)
            held.reset();
}

} // namespace test

Domain* find_domain(DomainId id) {
    return id.value() < world->domains.size() ? world->domains[id.value()].get() : nullptr;
}

Domain* next_domain(std::uint32_t slot) {
    while (slot < world->domains.size() && world->domains[slot] == nullptr)
        ++slot;
    return slot < world->domains.size() ? world->domains[slot].get() : nullptr;
}

void clear_poll_timeout(Vcpu& vcpu) { world->timeouts_cleared.push_back(&vcpu); }
void wake_vcpu(Vcpu& vcpu, WakeCause) { world->woken.push_back(&vcpu); }
Vcpu* current_vcpu() { return nullptr; }
void trace_event(trace::Event, const Vcpu&, std::uint64_t, std::uint64_t) { ++world->trace_records; }

} // namespace bulkhead::hv
