#include "sim/world.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <xen/errno.h>
#include <xen/sched.h>

namespace bulkhead::sim {

using manifest::Action;

namespace {

constexpr Nanos longest_building = milliseconds(60'000);

// What every workload does first (workloads/main.cpp).
Program prologue(Guest& me, ModelSetup setup, Nanos start) {
    co_await me.run(start);
    if (const std::int64_t first = setup.number_or("sleep_first_ms", 0); first != 0)
        co_await me.block(me.now() + milliseconds(first));
    co_await me.mark(code(guest::Mark::ready));
}

} // namespace

World::World(Policy policy, Plan plan)
    : plan_{std::move(plan)}, machine_{std::move(policy), plan_.machine}, built_(plan_.guests.size()),
      starts_(plan_.guests.size(), RealTime::never()), consoles_(plan_.guests.size()) {
    const Guard::Scope loops_end;
    for (const GuestPlan& guest : plan_.guests)
        if (model_of(guest) == nullptr)
            throw std::invalid_argument{"there is no model '" + guest.model + "'"};
    machine_.on_control = [this](Machine&, Action action, std::uint64_t target, std::int64_t argument) {
        control(action, target, argument);
    };
    machine_.on_shutdown = [this](Machine&, const Domain& domain) {
        crashed_ = crashed_ || domain.ledger.shutdown_reason == SHUTDOWN_crash;
        leave(domain);
        end_if_idle();
    };
    steered_ = std::ranges::any_of(
        plan_.timeline, [](const manifest::TimelineEntry& entry) { return entry.action == Action::stop; });
    machine_.end_at(RealTime{} + longest_building + plan_.duration);
    DomainSpec spec;
    spec.name = "dom0";
    spec.weight = plan_.dom0_weight;
    spec.share = plan_.dom0_share;
    spec.placements.affinity = {plan_.dom0_affinity};
    spec.sched_values = plan_.dom0_sched_values;
    spec.programs.emplace_back([this](Guest& me) { return domain0(me); });
    Domain& domain = machine_.create_domain(std::move(spec), DomainId{0});
    domain0_ = domain.vcpus.front();
    machine_.start_at(RealTime{} + powering_on());
    attend();
    machine_.unpause(domain);
}

double World::progress() const {
    if (started_ == RealTime{})
        return 0;
    const auto gone = static_cast<double>((machine_.now() - started_).count());
    return std::min(1.0, gone / static_cast<double>(plan_.duration.count()));
}

Guest* World::peer(std::string_view name) {
    for (std::size_t i = 0; i < built_.size(); ++i)
        if (plan_.guests[i].name == name)
            return built_[i] == nullptr ? nullptr : built_[i]->vcpus.front();
    throw std::invalid_argument{"peer=" + std::string{name} + ": no guest has that name"};
}

Link& World::link(const Guest& sender, const Guest& receiver) { return links_[{&sender, &receiver}]; }

void World::print(std::size_t guest, std::string_view line) { consoles_[guest].append(line).append("\n"); }

bool World::will_create() const {
    return std::any_of(plan_.timeline.begin() + static_cast<std::ptrdiff_t>(played_), plan_.timeline.end(),
                       [](const manifest::TimelineEntry& entry) {
                           return entry.action == Action::create ||
                                  (entry.action == Action::stop && entry.argument != 0);
                       });
}

bool World::run(std::uint64_t events) {
    const Guard::Scope loops_end;
    if (!steered_)
        return machine_.run_until(RealTime::never(), events);
    for (; events > 0 && !stopped_; --events)
        if (!machine_.run_until(RealTime::never(), 1))
            return stopped_;
    return true;
}

void World::proceed(std::span<const manifest::TimelineEntry> entries, std::vector<Successor> successors) {
    const auto first = static_cast<std::int64_t>(plan_.successors.size());
    for (manifest::TimelineEntry entry : entries) {
        entry.argument += entry.action == Action::swap ? first : 0;
        plan_.timeline.push_back(entry);
    }
    std::ranges::move(successors, std::back_inserter(plan_.successors));
    answers_.clear();
    stopped_ = false;
}

std::int64_t World::further_guests() const {
    return static_cast<std::int64_t>(std::max<std::size_t>(plan_.guests.size(), 1) - 1);
}

// The hypervisor takes over the machine's memory and what the loader has brought for each guest.
Nanos World::powering_on() const {
    const Costs& costs = machine_.costs();
    return Nanos{costs.power_on} + Nanos{costs.power_on_more} * further_guests() +
           Nanos{costs.power_on_mib} * plan_.mib;
}

// Domain 0 reads all that it was given before it builds anything.
Nanos World::booting() const {
    return Nanos{machine_.costs().boot} + Nanos{machine_.costs().boot_more} * further_guests();
}

Nanos World::building() const {
    const auto others =
        std::ranges::count_if(built_, [](const Domain* domain) { return domain != nullptr; }) - 1;
    return Nanos{machine_.costs().build} + Nanos{machine_.costs().build_more} * others;
}

bool World::timeline_due(RealTime now) const {
    return played_ < plan_.timeline.size() && started_ + Nanos{plan_.timeline[played_].at} <= now;
}

std::size_t World::first_to_start() const {
    return static_cast<std::size_t>(std::ranges::min_element(starts_) - starts_.begin());
}

// Domain 0 lets it run by itself, and not as soon as all are built.
bool World::waits_for_start(std::size_t guest) const {
    return plan_.guests[guest].start > Nanos{} || plan_.guests[guest].release != 0;
}

RealTime World::next_due() const {
    const RealTime start = starts_.empty() ? RealTime::never() : starts_[first_to_start()];
    if (played_ == plan_.timeline.size())
        return start;
    return std::min(start, started_ + Nanos{plan_.timeline[played_].at});
}

// Builds, then plays the timeline, lets guests run at their declared start, and tells guests their targets.
Program World::domain0(Guest& me) {
    const Costs& costs = machine_.costs();
    co_await me.run(booting());
    for (std::size_t i = 0; i < plan_.guests.size(); ++i)
        if (!plan_.guests[i].absent) {
            co_await me.run(Nanos{costs.create});
            co_await me.control(Action::create, i, 0);
            co_await me.run(building());
        }
    co_await me.control(started, 0, 0);
    Nanos rest{costs.survey};
    for (std::size_t i = 0; i < plan_.guests.size(); ++i)
        if (!plan_.guests[i].absent && !plan_.guests[i].start_paused && !waits_for_start(i))
            co_await me.control(Action::unpause, i, 0);
    for (;;) {
        if (memory_ && memory_->has_news()) {
            co_await me.run(Nanos{costs.order});
            memory_->tell_next();
            continue;
        }
        const RealTime due = next_due();
        if (me.now() < due) {
            if (rest > Nanos{})
                co_await me.run(rest);
            if (due == RealTime::never()) { // all that wakes it from now on are targets
                rest = Nanos{};
                co_await me.block(due);
            } else {
                rest = Nanos{costs.settle};
                co_await me.wait(due);
            }
            me.take_event();
            continue;
        }
        if (!timeline_due(me.now())) {
            co_await me.run(Nanos{costs.order});
            const auto first = first_to_start();
            co_await me.control(plan_.guests[first].release != 0 ? release : Action::unpause, first, 0);
            continue;
        }
        const manifest::TimelineEntry entry = plan_.timeline[played_++];
        co_await me.run(Nanos{costs.order + (entry.action == Action::create ? costs.create : 0)});
        const bool has_changes = entry.action == Action::set_parameters; // they stand in the entry
        co_await me.control(entry.action, entry.target,
                            has_changes ? static_cast<std::int64_t>(played_ - 1) : entry.argument);
        if (entry.action == Action::stop) {
            co_await me.run(plan_.instruction); // what follows is there when this is over
            continue;
        }
        const std::int64_t result = result_;
        if (entry.action == Action::create && result == 0) {
            co_await me.run(building());
            if (!plan_.guests[entry.target].start_paused)
                co_await me.control(Action::unpause, entry.target, 0);
        }
        if (entry.action == Action::destroy && result == 0)
            co_await me.run(Nanos{costs.destroy});
        answers_.push_back({(me.now() - started_).count(), result});
    }
}

void World::control(Action action, std::size_t target, std::int64_t argument) {
    if (action == started) {
        started_ = machine_.now();
        machine_.end_at(started_ + plan_.duration);
        for (std::size_t i = 0; i < starts_.size(); ++i)
            if (!plan_.guests[i].absent && waits_for_start(i))
                starts_[i] = started_ + plan_.guests[i].start;
        end_if_idle(); // all may be over already
    } else if (action == release) {
        for (std::size_t i = 0; i < starts_.size(); ++i)
            if (plan_.guests[i].release == plan_.guests[target].release && starts_[i] <= machine_.now())
                result_ = act(Action::unpause, i, 0);
    } else if (action == Action::stop) {
        stopped_ = true;
        stopped_at_ = machine_.now() - started_;
    } else {
        result_ = act(action, target, argument);
    }
}

std::int64_t World::act(Action action, std::size_t target, std::int64_t argument) {
    switch (action) {
    case Action::end_run:
        machine_.end_run(crashed_ ? landmark::Exit::guest_crashed : landmark::Exit::all_off);
        return 0;
    case Action::audit:
        return 0; // frames are not simulated
    case Action::swap:
        return swap(plan_.successors.at(static_cast<std::size_t>(argument)));
    case Action::create:
        return build(target);
    default:
        break;
    }
    if (action == Action::unpause || action == Action::pause || action == Action::destroy)
        starts_[target] = RealTime::never();
    Domain* domain = built_[target];
    if (domain == nullptr || !domain->alive)
        return -XEN_ESRCH; // it has ended before its time: not an error of the timeline
    return change(*domain, action, target, argument);
}

std::int64_t World::change(Domain& domain, Action action, std::size_t target, std::int64_t argument) {
    switch (action) {
    case Action::unpause:
        machine_.unpause(domain);
        return 0;
    case Action::pause:
        machine_.pause(domain);
        return 0;
    case Action::set_weight:
        machine_.set_share(domain, static_cast<std::uint32_t>(argument), domain.sched.cap);
        if (blocks_)
            blocks_->set_weight(domain);
        if (memory_)
            memory_->set_weight(domain);
        return 0;
    case Action::set_parameters:
        return set_parameters(domain, plan_.timeline[static_cast<std::size_t>(argument)].changes);
    case Action::set_affinity:
        for (Vcpu* vcpu : domain.vcpus)
            machine_.set_affinity(*vcpu, static_cast<std::uint64_t>(argument));
        return 0;
    case Action::destroy:
        built_[target] = nullptr;
        machine_.destroy(domain);
        leave(domain);
        end_if_idle();
        return 0;
    default:
        throw std::invalid_argument{"timeline: the simulator's guests cannot be asked for anything"};
    }
}

const Model* World::model_of(const GuestPlan& guest) {
    return guest.file != nullptr ? &guest.file->model() : find_model(guest.model);
}

std::int64_t World::build(std::size_t index) {
    if (built_[index] != nullptr && built_[index]->alive)
        return -XEN_EEXIST;
    const GuestPlan& guest = plan_.guests[index];
    const std::uint64_t seed = plan_.machine.seed * 0x9e3779b97f4a7c15 + index;
    DomainSpec spec;
    spec.name = guest.name;
    spec.weight = guest.weight;
    spec.cap = guest.cap;
    spec.sched_values = guest.sched_values;
    spec.placements = guest.placements;
    const Model& model = *model_of(guest);
    spec.one_by_one = !model.whole;
    spec.programs.resize(guest.vcpus);
    for (std::size_t i = 0; i < guest.vcpus; ++i)
        if (i == 0 || model.whole || model.others != nullptr)
            spec.programs[i] = [&, seed, index, i](Guest& me) {
                const Nanos loop{machine_.costs().loop}, start{machine_.costs().start};
                const ModelSetup setup{*this, index, guest.options,    plan_.instruction,
                                       loop,  seed,  domain_of(me).id, i};
                if (i != 0 && !model.whole)
                    return model.others(me, setup);
                return model.whole ? model.program(me, setup)
                                   : prologue(me, setup, start).then(model.program(me, setup));
            };
    built_[index] = &machine_.create_domain(std::move(spec), DomainId{next_id_++});
    if (admit(index))
        return 0;
    note_refused(index);
    return -XEN_ENOMEM;
}

void World::end_if_idle() {
    if (!plan_.end_when_idle || started_ == RealTime{} || will_create())
        return;
    if (std::ranges::none_of(built_, [](const Domain* domain) { return domain != nullptr && domain->alive; }))
        machine_.end_run(crashed_ ? landmark::Exit::guest_crashed : landmark::Exit::all_off);
}

} // namespace bulkhead::sim
