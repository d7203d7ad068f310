#include "tests/unit/mm_world.hpp"

#include "hv/base/log.hpp"
#include "hv/domain/holders.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace bulkhead::hv {

namespace host {

namespace {
std::vector<Domain*> domains;
} // namespace

struct World::Member {
    Domain domain{};
    Vcpu vcpu{};
};

World::World(std::uint64_t frames) : machine{frames} { domains.clear(); }
World::~World() { domains.clear(); }

Domain& World::add_domain(std::uint64_t max_frames) {
    auto& member = *members_.emplace_back(std::make_unique<Member>());
    auto& domain = member.domain;
    const auto place = std::ranges::find(domains, nullptr);
    domain.id = DomainId{static_cast<std::uint16_t>(place - domains.begin())};
    if (place == domains.end())
        domains.push_back(&domain);
    else
        *place = &domain;
    domain.privileged = domain.id == DomainId{0};
    domain.memory.max_frames = max_frames;
    domain.vcpus[0] = &member.vcpu;
    domain.vcpu_count = 1;
    member.vcpu.domain = &domain;
    member.vcpu.processor.in_kernel = true;
    domain.sched.slot = member.vcpu.sched.slot = domain.id.value();
    return domain;
}

bool World::remove_domain(Domain& domain) {
    auto outcome = relinquish_memory(domain);
    while (!outcome && outcome.error() == Error::restart)
        outcome = relinquish_memory(domain);
    if (!outcome)
        return false;
    domains[domain.id.value()] = nullptr;
    std::erase_if(members_, [&](const auto& member) { return &member->domain == &domain; });
    return true;
}

} // namespace host

Domain* find_domain(DomainId id) {
    return id.value() < host::domains.size() ? host::domains[id.value()] : nullptr;
}
Domain* next_domain(std::uint32_t slot) {
    while (slot < host::domains.size() && host::domains[slot] == nullptr)
        ++slot;
    return slot < host::domains.size() ? host::domains[slot] : nullptr;
}

// No memory policy decides here: all is granted. Where memory is cut, each domain has a zone of its own, and
// gets what is free there. (hv/plugin/memory_policy.hpp has the contract. It needs bulkhead::host, which this
// world's own namespace hides.)
namespace memory_policy {
std::uint64_t grant(Domain& domain, std::uint64_t, std::uint64_t frames) {
    const Zones& zones = frame_table().zones();
    if (!zones.is_cut())
        return frames;
    const auto zone = domain.id.value() % zones.count();
    const auto given = std::min(frames, zones.at(zone).free);
    frame_table().add_due(domain.memory, zone, static_cast<std::uint32_t>(given));
    return given;
}
void settle(Domain& domain, std::uint64_t) { frame_table().end_grants(domain.memory); }
} // namespace memory_policy

Mfn console_ring_frame(const Domain&) { return {}; }
Mfn block_ring_frame(const Domain&, std::uint32_t) { return {}; }
Mfn net_ring_frame(const Domain&, std::uint32_t) { return {}; }

void log(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_arguments(format, arguments);
    va_end(arguments);
}

void log_arguments(const char* format, va_list arguments) {
    std::array<char, 256> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    const char* c = line.data();
    for (; *c != '\0' && *c != '\n'; ++c)
        machine::put_console(*c);
    machine::put_console('\n'); // callers may end the line or not
}

} // namespace bulkhead::hv
