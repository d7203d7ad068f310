#include "sim/block_device.hpp"

namespace bulkhead::sim {

namespace {

BlockDevice::Request as_seen(const RingWorld::Ring& ring, const host::RequestFields& request) {
    return {request, ring.queue.number, ring.owner};
}

} // namespace

DiskDrive& RingWorld::device() const { return owner->drive_; }

RingWorld::Ring* RingWorld::ring_by_number(std::uint32_t number) const {
    return number < owner->rings_.size() ? &owner->rings_[number] : nullptr;
}

void RingWorld::taken(const Ring& ring, const host::RequestFields& request) const {
    if (owner->on_taken)
        owner->on_taken(as_seen(ring, request));
}

void RingWorld::done(const Ring& ring, const host::RequestFields& request, Nanos service) const {
    if (owner->on_done)
        owner->on_done(as_seen(ring, request), service);
}

BlockDevice::BlockDevice(const Policy& policy, const Options& options)
    : ground_{options.seed, options.eject}, drive_{options.disk}, first_{policy.descriptor},
      host_{RingWorld{{&ground_}, this}} {
    const Guard::Scope loops_end;
    host_.start(policy, policy.values.data());
}

DomainId BlockDevice::tenant_of(DomainId id) const {
    const auto group = group_of_.find(id.value());
    return group == group_of_.end() ? id : first_of_.at(group->second);
}

std::uint32_t BlockDevice::open(DomainId id, std::uint32_t weight, std::span<const std::int64_t> values,
                                std::uint32_t group, const host::ChangedValues& changed) {
    if (group != 0) {
        first_of_.try_emplace(group, id);
        group_of_.try_emplace(id.value(), group);
    }
    const DomainId tenant = tenant_of(id);
    RingWorld::Domain& domain =
        domains_.try_emplace(tenant.value(), RingWorld::Domain{.id = tenant}).first->second;
    if (domain.io.policy == nullptr) {
        domain.io.slot = tenant.value();
        domain.io.weight = weight;
        domain.io.changed = changed;
        give_values(domain.io, values, *first_);
    }
    RingWorld::Ring& ring = rings_.emplace_back(&domain, id);
    ring.queue.number = static_cast<std::uint32_t>(rings_.size() - 1);
    if (!host_.open(ring))
        throw std::bad_alloc{};
    return ring.queue.number;
}

void BlockDevice::close(std::uint32_t number, RealTime now) {
    if (host_.is_open(rings_[number]))
        at(now).close(rings_[number]);
}

void BlockDevice::set_weight(DomainId id, std::uint32_t weight, RealTime now) {
    const auto found = domains_.find(tenant_of(id).value());
    if (found == domains_.end())
        return;
    found->second.io.weight = weight;
    at(now).tune(found->second);
}

host::Change BlockDevice::change(DomainId id, const plugin::ValueChanges& changes, RealTime now) {
    const auto found = domains_.find(tenant_of(id).value());
    return found != domains_.end() ? at(now).change(found->second, changes) : judge(changes);
}

void BlockDevice::replace(const Policy& policy, RealTime now) {
    if (!at(now).replace(policy, policy.values.data()))
        throw std::bad_alloc{};
}

std::optional<std::uint64_t> BlockDevice::submit(std::uint32_t number, ringctl::Operation operation,
                                                 std::uint64_t sector, std::uint32_t bytes, RealTime now,
                                                 std::uint32_t parts) {
    const host::RequestFields asked{.sector = sector, .bytes = bytes};
    if ((bytes == 0 && !ringctl::may_move_none(operation)) || asked.end() > drive_.sectors())
        throw std::invalid_argument{"a request of " + std::to_string(bytes) + " bytes at sector " +
                                    std::to_string(sector) + " is empty or leaves the device"};
    RingWorld::Ring& ring = rings_[number];
    if (!host_.is_open(ring) || !ring.queue.has_room())
        return std::nullopt;
    return at(now).submit(ring, operation, sector, bytes, 0, parts);
}

void BlockDevice::advance(RealTime now) {
    auto& host = at(now);
    while (drive_.next() <= now) {
        const DiskDrive::Service service = drive_.take_done();
        host.complete(*service.request, service.time);
    }
    host.give_work();
}

} // namespace bulkhead::sim
