// What the world has beside the machine: its block device and its memory, and which guest is admitted to
// them.
#include "sim/world.hpp"

#include <algorithm>
#include <ranges>
#include <stdexcept>
#include <xen/errno.h>

namespace bulkhead::sim {

namespace {

// As the hypervisor's call answers.
std::int64_t result_of(host::Change change) {
    switch (change) {
    case host::Change::done:
        return 0;
    case host::Change::unknown:
        return -XEN_ENOENT;
    case host::Change::out_of_range:
        return -XEN_ERANGE;
    case host::Change::fixed:
        return -XEN_EOPNOTSUPP;
    case host::Change::too_many:
        break;
    }
    return -XEN_ENOSPC;
}

std::string in_mib(Frames frames) { return std::to_string(frames.count() / 256) + " MiB"; }

} // namespace

void World::attend() {
    machine_.on_service = [this](Machine&, const Vcpu& vcpu, std::uint64_t which, std::uint64_t argument) {
        serve(*vcpu.domain, which, argument);
    };
    machine_.on_page_fault = [this](const Domain& domain, std::uint64_t wait) {
        if (memory_)
            memory_->claim_stall(domain, wait);
    };
    machine_.on_alarm = [this](Machine&, const Deadline& deadline) {
        if (blocks_ && blocks_->owns(deadline))
            blocks_->on_alarm();
        else
            memory_->on_alarm();
    };
    if (plan_.blocks.policy)
        static_cast<void>(block_device());
    const bool pages =
        std::ranges::any_of(plan_.guests, [](const GuestPlan& guest) { return model_of(guest)->pages; });
    if (plan_.memory.policy)
        check_memory();
    if (plan_.memory.policy || pages) {
        memory_.emplace(machine_, plan_.memory, plan_.machine.seed);
        memory_->on_news = [this] { machine_.send_event(domain_of(*domain0_)); };
    }
}

BlockBackend& World::block_device() {
    if (!blocks_)
        blocks_.emplace(machine_, plan_.blocks, plan_.machine.seed);
    return *blocks_;
}

GuestDisk& World::disk(Guest& me, std::uint32_t ring) {
    Domain& domain = domain_of(me);
    const auto index = static_cast<std::size_t>(std::ranges::find(built_, &domain) - built_.begin());
    const GuestPlan& plan = plan_.guests[index];
    auto own = plan_.disks | std::views::filter([index](const auto& part) { return part.guest == index; }) |
               std::views::drop(ring);
    DiskPort& port = block_device().port(domain, ring, plan.ring_values, plan.group);
    if (!own.empty())
        port.lies_at(own.front().first, own.front().sectors);
    return port;
}

GuestMemory& World::memory(Guest& me) {
    GuestMemory* const own = memory_ ? memory_->port(domain_of(me)) : nullptr;
    if (own == nullptr)
        throw std::invalid_argument{"the model uses memory page by page, and its Model does not say `pages`"};
    return *own;
}

void World::serve(Domain& domain, std::uint64_t which, std::uint64_t argument) {
    if (which == service_disk)
        return blocks_->submit(domain, static_cast<std::uint32_t>(argument));
    if (which == service_fault)
        return memory_->fault(domain, argument);
    memory_->release(domain, static_cast<std::int64_t>(argument));
}

// Throws std::invalid_argument if no policy could let the guests live: those that are there at the start
// together, each of the others alone.
void World::check_memory() const {
    Frames together{};
    for (const GuestPlan& guest : plan_.guests) {
        const Frames needed =
            guest.absent ? host::least_of(guest.memory) : together += host::least_of(guest.memory);
        if (needed > plan_.memory.frames)
            throw std::invalid_argument{
                "guest " + guest.name +
                ": no guest can live with less than a sixteenth of its memory, and of " +
                in_mib(plan_.memory.frames) + " for guests there would have to be " + in_mib(needed) +
                "; give the machine more --mem"};
    }
}

// A guest that the memory policy refuses is built and taken down again.
bool World::admit(std::size_t index) {
    const GuestPlan& guest = plan_.guests[index];
    if (!memory_ || memory_->admit(*built_[index],
                                   {.first = guest.first,
                                    .least = host::least_of(guest.memory),
                                    .most = guest.memory,
                                    .pages = model_of(guest)->pages},
                                   guest.memory_values))
        return true;
    machine_.destroy(*built_[index]);
    end_if_idle();
    return false;
}

void World::note_refused(std::size_t index) {
    refused_at_start_ |= started_ == RealTime{};
    if (!refused_.empty())
        return;
    const plugin::Descriptor& policy = memory_->policy();
    const GuestPlan& guest = plan_.guests[index];
    const bool has_values = plan_.memory.policy && plan_.memory.policy->descriptor == &policy;
    std::string asked;
    for (std::size_t i = 0; i < guest.memory_values.size() && has_values; ++i)
        if (guest.memory_values[i] != policy.domain_parameters[i].initial)
            asked.append(policy.domain_parameters[i].name)
                .append("=")
                .append(std::to_string(guest.memory_values[i]))
                .append(", ");
    refused_ = std::string{"guest "}.append(guest.name).append(" was refused by the memory policy ");
    refused_.append(policy.name)
        .append(" (")
        .append(asked)
        .append(in_mib(plan_.memory.frames))
        .append(" in ");
    refused_.append(std::to_string(plan_.memory.zones)).append(plan_.memory.zones == 1 ? " zone" : " zones");
    refused_.append("; see --mem, --zones)");
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

std::int64_t World::set_parameters(Domain& domain, const plugin::ValueChanges& changes) {
    switch (changes.kind) {
    case plugin::Kind::scheduler:
        return result_of(machine_.change(domain, changes));
    case plugin::Kind::memory:
        return memory_ ? result_of(memory_->change(domain, changes)) : -XEN_ENODEV;
    case plugin::Kind::ring:
        return blocks_ ? result_of(blocks_->change(domain, changes)) : -XEN_ENODEV;
    }
    return -XEN_EINVAL;
}

Machine::Summary World::summary() const {
    Machine::Summary all = machine_.summary();
    if (memory_)
        all.page.policies[1] = memory_->report();
    if (blocks_)
        all.page.policies[2] = blocks_->report();
    refused_.copy(all.page.message, sizeof all.page.message - 1);
    if (refused_at_start_ && all.page.state == landmark::State::finished &&
        all.page.exit_status != landmark::Exit::guest_crashed)
        all.page.exit_status = landmark::Exit::bad_input;
    all.page.started = started_.since_start().count();
    return all;
}

} // namespace bulkhead::sim
