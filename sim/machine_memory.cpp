#include "sim/machine_memory.hpp"

#include <algorithm>
#include <numeric>

namespace bulkhead::sim {

std::span<memctl::Zone> MemoryWorld::zones() const { return owner->zones_; }

void MemoryWorld::take(Domain& domain, memctl::ZoneId zone, Frames count) const {
    auto& from = owner->free_[zone.value()];
    for (std::int64_t i = 0; i < count.count(); ++i) {
        domain.frames.push_back(from.back());
        from.pop_back();
    }
}

// The one that it got last.
memctl::ZoneId MemoryWorld::give_back(Domain& domain) const {
    const std::uint32_t frame = domain.frames.back();
    const memctl::ZoneId zone = owner->zone_of(frame);
    domain.frames.pop_back();
    owner->free_[zone.value()].push_back(frame);
    return zone;
}

void MemoryWorld::target_changes(const Domain& domain, Frames target) const {
    if (owner->on_target)
        owner->on_target(domain.id, target);
}

MachineMemory::MachineMemory(const Policy& policy, const Options& options)
    : ground_{options.seed, options.eject}, first_{policy.descriptor}, free_(options.zones),
      host_{MemoryWorld{{&ground_}, this}} {
    const std::int64_t each = options.frames.count() / options.zones;
    for (std::uint32_t zone = 0; zone < options.zones; ++zone) {
        const std::int64_t size = zone + 1 < options.zones ? each : options.frames.count() - each * zone;
        zones_.push_back({memctl::ZoneId{static_cast<std::uint16_t>(zone)}, Frames{size}, {}});
        free_[zone].resize(static_cast<std::size_t>(size));
        std::iota(free_[zone].rbegin(), free_[zone].rend(), static_cast<std::uint32_t>(each * zone));
    }
    const Guard::Scope loops_end;
    host_.start(policy, policy.values.data());
}

const MachineMemory::Domain& MachineMemory::known(DomainId id) const {
    const auto found = domains_.find(id.value());
    if (found == domains_.end())
        throw std::logic_error{"domain " + std::to_string(id.value()) + " was never admitted"};
    return found->second;
}

bool MachineMemory::admit(const Claim& claim, RealTime now) {
    const auto [found, fresh] = domains_.try_emplace(claim.id.value(), Domain{.id = claim.id});
    if (!fresh)
        throw std::logic_error{"domain " + std::to_string(claim.id.value()) + " was admitted before"};
    host::MemoryState& state = found->second.memory;
    state.slot = claim.id.value();
    state.weight = claim.weight;
    state.least = claim.least;
    state.most = claim.most;
    give_values(state, claim.values, *first_);
    const bool admitted = at(now).admit(found->second);
    if (!admitted)
        domains_.erase(found);
    else
        settle(found->second, claim.first);
    return admitted;
}

// Its first frames, from the first zones that have some.
void MachineMemory::settle(Domain& domain, Frames first) {
    for (const memctl::Zone& zone : zones_) {
        const Frames more = std::min(first - domain.memory.has, zone.free);
        if (more <= Frames{})
            continue;
        MemoryWorld{{&ground_}, this}.take(domain, zone.id, more);
        host_.settle(domain, zone.id, domain.memory.has + more);
    }
}

void MachineMemory::depart(DomainId id, RealTime now) {
    at(now).depart(known(id));
    domains_.erase(id.value());
}

void MachineMemory::set_weight(DomainId id, std::uint32_t weight, RealTime now) {
    known(id).memory.weight = weight;
    at(now).tune(known(id));
}

host::Change MachineMemory::change(DomainId id, const plugin::ValueChanges& changes, RealTime now) {
    return at(now).change(known(id), changes);
}

void MachineMemory::set_times(DomainId id, Nanos ran, Nanos waited) {
    Domain& domain = known(id);
    domain.memory.ran = ran;
    domain.memory.waited = waited;
    domain.has_times = true;
}

void MachineMemory::rebalance(RealTime now) {
    for (auto& [id, domain] : domains_)
        if (!domain.has_times)
            domain.memory.ran = now.since_start();
    at(now).rebalance();
}

void MachineMemory::replace(const Policy& policy, RealTime now) {
    if (!at(now).replace(policy, policy.values.data()))
        throw std::bad_alloc{};
}

memctl::ZoneId MachineMemory::zone_of(std::uint32_t frame) const {
    const auto each = zones_.front().frames.count();
    return memctl::ZoneId{static_cast<std::uint16_t>(
        std::min<std::size_t>(static_cast<std::size_t>(frame / each), zones_.size() - 1))};
}

} // namespace bulkhead::sim
