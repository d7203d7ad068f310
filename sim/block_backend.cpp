#include "sim/block_backend.hpp"

#include "host/draws.hpp"
#include "host/fallbacks.hpp"
#include "host/ring_use.hpp"

#include <stdexcept>
#include <string>

namespace bulkhead::sim {

using trace::Event;

namespace {

constexpr std::uint32_t alarm_order = first_own_order;

std::uint64_t name_of(const BlockDevice::Request& request) {
    return std::uint64_t{request.ring} << 32 | (request.number & 0xffffffff);
}

// Pages of a request beyond the first.
std::int64_t further_pages(std::uint32_t bytes) {
    return static_cast<std::int64_t>((std::max(bytes, 1U) - 1) / page_bytes);
}

} // namespace

std::optional<std::uint64_t> DiskPort::take_answer() {
    if (done_.empty())
        return std::nullopt;
    const std::uint64_t number = done_.front();
    done_.pop_front();
    return number;
}

DiskPort::DiskPort(const BlockBackend& backend, std::uint32_t number)
    : backend_{&backend}, sectors_{backend.sectors()}, number_{number} {}

Nanos DiskPort::note(const Request& request) {
    const std::uint64_t sectors = sectors_of(request.bytes);
    if ((sectors == 0 && !ringctl::may_move_none(request.operation)) || sectors > sectors_ ||
        request.sector > sectors_ - sectors)
        throw std::invalid_argument{"a model asked its disk for " + std::to_string(request.bytes) +
                                    " bytes at sector " + std::to_string(request.sector) + " of " +
                                    std::to_string(sectors_)};
    wish_ = request;
    return backend_->own_work();
}

BlockBackend::BlockBackend(Machine& machine, BlockPlan plan, std::uint64_t seed)
    : machine_{&machine}, plan_{std::move(plan)},
      device_{plan_.policy ? *plan_.policy : Policy{&host::fallback_ring_policy(), nullptr, {}},
              {.disk = plan_.disk, .seed = host::seed_of(host::Draws::ring_policy, seed)}} {
    alarm_.order = alarm_order;
    device_.on_note() = [this](std::uint64_t code, std::uint64_t value) {
        machine_->record(Event::policy_note, nullptr, code, value);
    };
    device_.on_taken = [this](const BlockDevice::Request& request) {
        machine_->record(Event::ring_request, by_ring_[request.ring]->domain, name_of(request),
                         request.bytes);
    };
    device_.on_done = [this](const BlockDevice::Request& request, Nanos service) { done(request, service); };
    device_.on_eject() = [this](ringctl::Hook hook, plugin::Fault fault) {
        machine_->record(Event::policy_eject, nullptr,
                         static_cast<std::uint64_t>(plugin::Kind::ring) << 32 |
                             static_cast<std::uint32_t>(hook),
                         static_cast<std::uint64_t>(fault));
    };
    machine_->record(Event::policy_load, nullptr, static_cast<std::uint64_t>(plugin::Kind::ring),
                     plan_.policy ? plugin::abi_version : 0);
}

DiskPort& BlockBackend::port(Domain& domain, std::uint32_t number, std::span<const std::int64_t> values,
                             std::uint32_t group) {
    const auto [found, fresh] =
        fronts_.try_emplace(std::pair{domain.id.value(), number}, Front{&domain, DiskPort{*this, number}});
    if (fresh) {
        found->second.port.ring_ =
            device_.open(domain.id, domain.sched.weight, values, group, domain.ring_changes);
        by_ring_.push_back(&found->second);
    }
    return found->second.port;
}

void BlockBackend::submit(Domain& domain, std::uint32_t number) {
    DiskPort& port = fronts_.at({domain.id.value(), number}).port;
    const Costs& costs = machine_->costs();
    const std::int64_t take = costs.disk_take + costs.disk_segment * further_pages(port.wish_.bytes);
    machine_->work_for(&domain, Nanos{std::max(take, std::int64_t{1})}); // no program stops the clock
    if (!device_.has_room(port.ring_))
        return;
    // Recorded before the device may take it.
    BlockDevice::Request coming;
    coming.ring = port.ring_;
    coming.number = device_.submitted();
    machine_->record(Event::ring_submit, &domain, name_of(coming), port.wish_.bytes);
    port.numbers_[coming.number] = port.submitted_++;
    if (device_.has_capacity())
        machine_->work_for(&domain, Nanos{costs.disk_next});
    device_.submit(port.ring_, port.wish_.operation, port.first_ + port.wish_.sector, port.wish_.bytes,
                   machine_->now());
    machine_->work_for(&domain, Nanos{costs.disk_queue});
    rearm();
}

void BlockBackend::done(const BlockDevice::Request& request, Nanos service) {
    Domain* const domain = by_ring_[request.ring]->domain;
    machine_->record(Event::ring_complete, domain, name_of(request),
                     static_cast<std::uint64_t>(service.count()));
    host::count(domain->ledger.disks, request);
    unanswered_.push_back(request);
}

// The bytes of the first one have moved, and its guest hears of it.
void BlockBackend::answer() {
    const BlockDevice::Request request = unanswered_.front();
    unanswered_.pop_front();
    const Costs& costs = machine_->costs();
    Front& front = *by_ring_[request.ring];
    Domain& domain = *front.domain;
    const std::int64_t sectors =
        request.bytes == 0
            ? 0
            : (std::min<std::int64_t>(request.bytes, page_bytes) - 1) / ringctl::sector_bytes + 1;
    work_later_for(&domain, costs.disk_answer + costs.disk_sector * sectors +
                                costs.disk_page * further_pages(request.bytes));
    const auto number = front.port.numbers_.extract(request.number);
    front.port.done_.push_back(number.mapped());
    machine_->send_event(domain);
    work_later_for(&domain, costs.woke + costs.disk_rest);
}

Domain* BlockBackend::served() const {
    const auto ring = device_.done_ring();
    return ring && !by_ring_[*ring]->is_gone ? by_ring_[*ring]->domain : nullptr;
}

// The drive has its next request before the last one's bytes move.
void BlockBackend::on_alarm() {
    const Costs& costs = machine_->costs();
    Domain* const payer = served();
    if (device_.done_at() <= machine_->now())
        work_later_for(payer, costs.disk_done);
    if (device_.queued() > 0)
        work_later_for(payer, costs.disk_next);
    device_.advance(machine_->now());
    while (!unanswered_.empty())
        answer();
    rearm();
}

void BlockBackend::rearm() {
    if (const RealTime next = device_.next(); next != RealTime::never())
        machine_->set_alarm(alarm_, next);
}

void BlockBackend::gone(const Domain& domain) {
    for_each_of(domain, [&](Front& front) {
        device_.close(front.port.ring_, machine_->now());
        front.is_gone = true;
    });
}

void BlockBackend::set_weight(const Domain& domain) {
    bool any = false;
    for_each_of(domain, [&](const Front&) { any = true; });
    if (!any)
        return;
    device_.set_weight(domain.id, domain.sched.weight, machine_->now());
    rearm();
}

host::Change BlockBackend::change(Domain& domain, const plugin::ValueChanges& changes) {
    const host::Change judged = device_.judge(changes);
    if (judged != host::Change::done)
        return judged;
    if (!domain.ring_changes.note(changes))
        return host::Change::too_many;
    const host::Change changed = device_.change(domain.id, changes, machine_->now());
    rearm();
    return changed;
}

void BlockBackend::swap(const Policy& policy) {
    machine_->record(Event::policy_load, nullptr, static_cast<std::uint64_t>(plugin::Kind::ring),
                     plugin::abi_version);
    device_.replace(policy, machine_->now());
    rearm();
}

} // namespace bulkhead::sim
