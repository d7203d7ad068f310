// What the world has beside the machine: its block device and its memory, and which guest is admitted to
// them.
#include "sim/world.hpp"

#include <algorithm>
#include <xen/errno.h>

namespace bulkhead::sim {

namespace {
constexpr std::int64_t least_part = 16; // a guest cannot live with less than this part of its memory
}

void World::attend() {
    machine_.on_service = [this](Machine&, const Vcpu& vcpu, std::uint64_t which, std::uint64_t argument) {
        serve(*vcpu.domain, which, argument);
    };
    machine_.on_alarm = [this](Machine&, const Deadline& deadline) {
        if (blocks_ && blocks_->owns(deadline))
            blocks_->on_alarm();
        else
            memory_->on_alarm();
    };
    if (plan_.blocks.policy)
        static_cast<void>(block_device());
    const bool pages = std::ranges::any_of(
        plan_.guests, [](const GuestPlan& guest) { return find_model(guest.model)->pages; });
    if (plan_.memory.policy || pages)
        memory_.emplace(machine_, plan_.memory, plan_.machine.seed);
}

std::vector<BlockCount> World::block_counts() const {
    return blocks_ ? blocks_->counts() : std::vector<BlockCount>{};
}

BlockBackend& World::block_device() {
    if (!blocks_)
        blocks_.emplace(machine_, plan_.blocks, plan_.machine.seed);
    return *blocks_;
}

DiskPort& World::disk_port(Guest& me) {
    Domain& domain = domain_of(me);
    const auto index = static_cast<std::size_t>(std::ranges::find(built_, &domain) - built_.begin());
    return block_device().port(domain, plan_.guests[index].ring_values);
}

void World::serve(Domain& domain, std::uint64_t which, std::uint64_t argument) {
    if (which == service_disk)
        return blocks_->submit(domain);
    if (which == service_fault)
        return memory_->fault(domain, argument);
    memory_->release(domain, static_cast<std::int64_t>(argument));
}

// A guest that the memory policy refuses is built and taken down again.
void World::admit(std::size_t index) {
    if (!memory_)
        return;
    const GuestPlan& guest = plan_.guests[index];
    const Frames least{std::max<std::int64_t>(guest.memory.count() / least_part, 1)};
    if (memory_->admit(*built_[index], least, guest.memory, guest.memory_values,
                       find_model(guest.model)->pages))
        return;
    machine_.destroy(*built_[index]);
    end_if_idle();
}

void World::leave(const Domain& domain) {
    if (blocks_)
        blocks_->gone(domain);
    if (memory_)
        memory_->gone(domain);
}

// A policy of any kind takes over, if there is something that it can take over.
std::int64_t World::swap(const Successor& successor) {
    switch (successor.policy.descriptor->kind) {
    case plugin::Kind::scheduler:
        machine_.swap(successor.policy, successor.costs);
        return 0;
    case plugin::Kind::memory:
        if (!memory_)
            return -XEN_ENODEV;
        memory_->swap(successor.policy);
        return 0;
    case plugin::Kind::ring:
        if (!blocks_)
            return -XEN_ENODEV;
        blocks_->swap(successor.policy);
        return 0;
    }
    return -XEN_EINVAL;
}

Machine::Summary World::summary() const {
    Machine::Summary all = machine_.summary();
    if (memory_)
        all.page.policies[1] = memory_->report();
    if (blocks_)
        all.page.policies[2] = blocks_->report();
    all.page.started = started_.since_start().count();
    return all;
}

} // namespace bulkhead::sim
