#include "sim/memory_backend.hpp"

#include "host/draws.hpp"
#include "host/fallbacks.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace bulkhead::sim {

using trace::Event;

namespace {

constexpr std::uint32_t alarm_order = first_own_order + 1;
constexpr std::int64_t most_by_force = 64; // frames at once, so that others may run in between
constexpr Nanos between = microseconds(500);
constexpr auto most_claimed = static_cast<std::uint64_t>(memctl::longest_period.count());

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// So that no program stops the clock, also where nothing costs anything.
Nanos at_least_some(std::int64_t cost) { return Nanos{std::max(cost, std::int64_t{1})}; }

} // namespace

MemoryBackend::MemoryBackend(Machine& machine, MemoryPlan plan, std::uint64_t seed)
    : machine_{&machine}, plan_{std::move(plan)},
      memory_{plan_.policy ? *plan_.policy : Policy{&host::fallback_memory_policy(), nullptr, {}},
              {.frames = plan_.frames,
               .zones = plan_.zones,
               .seed = host::seed_of(host::Draws::memory_policy, seed)}},
      cache_{plan_.zones}, random_{host::seed_of(host::Draws::page_samples, seed)} {
    alarm_.order = alarm_order;
    memory_.on_note() = [this](std::uint64_t code, std::uint64_t value) {
        machine_->record(Event::policy_note, nullptr, code, value);
    };
    memory_.on_target = [this](DomainId id, Frames target) { retarget(id, target); };
    memory_.on_eject() = [this](memctl::Hook hook, plugin::Fault fault) {
        machine_->record(Event::policy_eject, nullptr,
                         static_cast<std::uint64_t>(plugin::Kind::memory) << 32 |
                             static_cast<std::uint32_t>(hook),
                         static_cast<std::uint64_t>(fault));
    };
    machine_->record(Event::policy_load, nullptr, static_cast<std::uint64_t>(plugin::Kind::memory),
                     plan_.policy ? plugin::abi_version : 0);
    look_at_ = machine_->now() + plan_.period;
    next_turn_ = machine_->now() + host::press_turn;
    machine_->set_alarm(alarm_, look_at_);
}

bool MemoryBackend::admit(Domain& domain, const Claim& claim, std::span<const std::int64_t> values) {
    Guest& guest = guests_.emplace(domain.id.value(), Guest{&domain, {}, {}}).first->second;
    if (claim.pages) {
        guest.pages.emplace(static_cast<std::size_t>((claim.most - claim.first).count()));
        guest.port.emplace(*this, domain);
        guest.beside = claim.first.count();
    }
    const bool admitted =
        claim.first <= memory_.free() && memory_.admit({.id = domain.id,
                                                        .weight = domain.sched.weight,
                                                        .least = claim.least,
                                                        .most = claim.most,
                                                        .first = claim.pages ? claim.first : Frames{},
                                                        .values = {values.begin(), values.end()}},
                                                       machine_->now());
    machine_->record(Event::memory_admit, &domain, admitted ? 1 : 0, bits(claim.most.count()));
    if (!admitted)
        guests_.erase(domain.id.value());
    else
        settle(guest);
    return admitted;
}

void MemoryBackend::gone(const Domain& domain) {
    if (guests_.erase(domain.id.value()) == 0)
        return;
    memory_.depart(domain.id, machine_->now());
}

void MemoryBackend::set_weight(const Domain& domain) {
    if (guests_.contains(domain.id.value()))
        memory_.set_weight(domain.id, domain.sched.weight, machine_->now());
}

host::Change MemoryBackend::change(const Domain& domain, const plugin::ValueChanges& changes) {
    return guests_.contains(domain.id.value()) ? memory_.change(domain.id, changes, machine_->now())
                                               : host::Change::unknown;
}

void MemoryBackend::swap(const Policy& policy) {
    machine_->record(Event::policy_load, nullptr, static_cast<std::uint64_t>(plugin::Kind::memory),
                     plugin::abi_version);
    memory_.replace(policy, machine_->now());
}

void MemoryBackend::retarget(DomainId id, Frames target) {
    const auto guest = guests_.find(id.value());
    if (guest == guests_.end())
        return;
    const Frames has = memory_.has(id);
    machine_->record(Event::memory_target, guest->second.domain, bits(target.count()), bits(has.count()));
    if (!guest->second.pages)
        return; // it follows at once
    guest->second.news = true;
    if (on_news)
        on_news();
}

bool MemoryBackend::has_news() const {
    return std::ranges::any_of(guests_, [](const auto& entry) { return entry.second.news; });
}

void MemoryBackend::tell_next() {
    const auto found = std::ranges::find_if(guests_, [](const auto& entry) { return entry.second.news; });
    if (found == guests_.end())
        return;
    Guest& guest = found->second;
    guest.news = false;
    guest.told = memory_.target(guest.domain->id);
    if (guest.told < memory_.has(guest.domain->id))
        machine_->send_event(*guest.domain); // its balloon looks at the target
}

void MemoryBackend::account(const Guest& guest) const {
    auto& ledger = guest.domain->ledger;
    ledger.frames_owned = static_cast<std::uint32_t>(memory_.has(guest.domain->id).count());
    ledger.frames_peak = std::max(ledger.frames_peak, ledger.frames_owned);
}

// What a guest that does not page has is what its target says, as far as there are frames.
void MemoryBackend::settle(Guest& guest) {
    if (!guest.pages) {
        const DomainId id = guest.domain->id;
        if (const Frames over = memory_.has(id) - memory_.target(id); over > Frames{})
            memory_.release(id, over, machine_->now());
        else
            memory_.populate(id, Frames{} - over, machine_->now());
    }
    account(guest);
}

void MemoryBackend::on_alarm() {
    if (machine_->now() >= look_at_)
        look();
    RealTime next = look_at_;
    for (auto& [id, guest] : guests_)
        if (take_by_force(guest))
            next = std::min(next, machine_->now() + between);
    if (press_if_due())
        next = std::min(next, next_turn_);
    machine_->set_alarm(alarm_, next);
}

// At all domains, once in a period.
void MemoryBackend::look() {
    look_at_ = machine_->now() + plan_.period;
    for (auto& [id, guest] : guests_) {
        machine_->work_for(nullptr, plan_.look);
        const landmark::LedgerEntry& ledger = guest.domain->ledger;
        memory_.set_times(DomainId{id}, Nanos{ledger.guest_ns}, Nanos{ledger.waiting_ns});
        if (guest.pages)
            sample(guest);
        else if (plan_.sampled != 0)
            memory_.sample(DomainId{id}, Frames{1}, Frames{1}, machine_->now());
    }
    memory_.rebalance(machine_->now());
    for (auto& [id, guest] : guests_) {
        const Frames wanted = memory_.to_reclaim(DomainId{id}, machine_->now());
        guest.to_take = guest.pages && plan_.force == MemoryPlan::Force::take ? wanted.count() : 0;
        guest.press.want(guest.pages && plan_.force == MemoryPlan::Force::press && wanted > Frames{});
        settle(guest);
    }
}

// How many of the watched pages were used since they are watched. One that the guest has paged out meanwhile
// does not count. The frames that it does not page count as not used.
void MemoryBackend::sample(Guest& guest) {
    const GuestPages& pages = *guest.pages;
    std::int64_t looked_at = guest.watched_beside, used = 0;
    for (const std::uint32_t page : guest.watched) {
        looked_at += pages.is_present(page) ? 1 : 0;
        used += pages.is_present(page) && pages.was_used(page) ? 1 : 0;
    }
    if (looked_at > 0) {
        machine_->record(Event::memory_sample, guest.domain, bits(looked_at), bits(used));
        memory_.sample(guest.domain->id, Frames{looked_at}, Frames{used}, machine_->now());
    }
    if (plan_.sampled != 0 && guest.clock.is_due(Nanos{guest.domain->ledger.guest_ns}))
        draw(guest);
}

// Others of its frames are watched from now on, drawn at random with replacement.
void MemoryBackend::draw(Guest& guest) {
    GuestPages& pages = *guest.pages;
    const std::size_t all = pages.present() + static_cast<std::size_t>(guest.beside);
    guest.watched.clear();
    guest.watched_beside = 0;
    for (std::size_t i = all == 0 ? 0 : plan_.sampled; i > 0; --i) {
        const std::size_t drawn = host::next_random(random_) % all;
        if (drawn >= pages.present()) {
            ++guest.watched_beside;
            continue;
        }
        guest.watched.push_back(pages.resident(drawn));
        pages.watch(guest.watched.back());
    }
    machine_->record(Event::memory_watch, guest.domain, plan_.sampled, 0);
}

// Some of what the policy wants; true if there is more to take. What the guest gave back meanwhile counts.
bool MemoryBackend::take_by_force(Guest& guest) {
    if (!guest.pages) // it gave back at once
        return false;
    guest.to_take = std::min(guest.to_take, above(*guest.domain, memory_.target(guest.domain->id)));
    const Frames taken{std::min(guest.to_take, most_by_force)};
    if (taken == Frames{})
        return false;
    for (std::int64_t i = 0; i < taken.count(); ++i)
        static_cast<void>(guest.pages->evict());
    memory_.take_back(guest.domain->id, taken, machine_->now());
    machine_->work_for(guest.domain, Nanos{machine_->costs().give} * taken.count());
    account(guest);
    machine_->record(Event::memory_reclaim, guest.domain, bits(memory_.has(guest.domain->id).count()),
                     bits(taken.count()));
    guest.to_take -= taken.count();
    return guest.to_take > 0;
}

// True if there is another turn to come for some guest.
bool MemoryBackend::press_if_due() {
    if (machine_->now() >= next_turn_) {
        while (next_turn_ <= machine_->now())
            next_turn_ = next_turn_ + host::press_turn;
        for (auto& [id, guest] : guests_)
            press(guest);
    }
    return std::ranges::any_of(
        guests_, [](const auto& entry) { return entry.second.press.is_on() || entry.second.held; });
}

void MemoryBackend::press(Guest& guest) {
    Domain& domain = *guest.domain;
    const Frames has = memory_.has(domain.id);
    guest.press.next_turn(has);
    if (const std::uint32_t withheld = guest.press.withheld(); withheld != domain.ledger.withheld) {
        domain.ledger.withheld = withheld;
        machine_->record(Event::memory_press, &domain, bits(has.count()), withheld);
    }
    if (const bool holds = guest.press.holds(); std::exchange(guest.held, holds) != holds)
        holds ? machine_->hold(domain) : machine_->let_go(domain);
}

GuestPages& MemoryBackend::Port::own() const { return *backend_->of(*domain_).pages; }

bool MemoryBackend::Port::use(std::size_t page) {
    GuestPages& pages = own();
    if (page >= pages.size())
        throw std::invalid_argument{"a model used page " + std::to_string(page) + " of " +
                                    std::to_string(pages.size())};
    return pages.use(page);
}

GuestMemory::Fault MemoryBackend::Port::faulted() const { return backend_->of(*domain_).fault; }

GuestMemory::Costs MemoryBackend::Port::costs() const {
    const sim::Costs& costs = backend_->machine_->costs();
    return {.page = Nanos{costs.page}, .look = Nanos{costs.look}, .page_out = Nanos{costs.page_out}};
}

Nanos MemoryBackend::Port::work_of_fault() const { return Nanos{backend_->machine_->costs().fault_own}; }

Nanos MemoryBackend::Port::work_of_release() const { return Nanos{backend_->machine_->costs().give_own}; }

MemoryBackend::Port* MemoryBackend::port(const Domain& domain) {
    const auto guest = guests_.find(domain.id.value());
    return guest == guests_.end() || !guest->second.port ? nullptr : &*guest->second.port;
}

std::int64_t MemoryBackend::above(const Domain& domain, Frames to) const {
    const auto present = static_cast<std::int64_t>(guests_.at(domain.id.value()).pages->present());
    return std::clamp((memory_.has(domain.id) - to).count(), std::int64_t{0}, present);
}

// A frame if the domain may have one more and there is one; else the guest pages one of its others out.
// Writing that one happens in the background; what was out must be read.
void MemoryBackend::fault(Domain& domain, std::size_t page) {
    Guest& guest = of(domain);
    GuestPages& pages = *guest.pages;
    if (page >= pages.size())
        throw std::invalid_argument{"a model asks for page " + std::to_string(page) + " of " +
                                    std::to_string(pages.size())};
    guest.fault = {};
    if (pages.is_present(page))
        return; // another vCPU has brought it in meanwhile
    guest.fault = {pages.is_out(page) ? plan_.swap : Nanos{}, false};
    const bool got = memory_.populate(domain.id, Frames{1}, machine_->now()) > Frames{};
    machine_->record(Event::memory_grant, &domain, bits(memory_.has(domain.id).count()),
                     std::uint64_t{1} << 32 | (got ? 1U : 0U));
    machine_->work_for(&domain, at_least_some(got ? machine_->costs().frame : machine_->costs().refusal));
    if (!got) {
        memory_.missed(domain.id, 1);
        if (pages.present() == 0) { // the guest waits until another one gives back a frame
            guest.fault.wait = plan_.swap;
            return;
        }
        static_cast<void>(pages.evict());
        guest.fault.pages_out = true;
    }
    pages.bring_in(page);
    account(guest);
}

void MemoryBackend::claim_stall(const Domain& domain, std::uint64_t wait) {
    if (guests_.contains(domain.id.value()))
        memory_.stalled(domain.id, Nanos{static_cast<std::int64_t>(std::min(wait, most_claimed))},
                        wait == 0 ? 0 : 1);
}

// The guest's pages lie in its frames in the order in which they are resident.
Nanos MemoryBackend::access(const Domain& domain, std::size_t page) {
    const Guest& guest = guests_.at(domain.id.value());
    const std::span<const std::uint32_t> frames = memory_.frames_of(domain.id);
    const std::size_t at = static_cast<std::size_t>(guest.beside) + guest.pages->place_of(page);
    if (at >= frames.size())
        return Cache::miss;
    const std::uint32_t frame = frames[at], zone = memory_.zone_of(frame).value();
    return cache_.use(frame, zone, frame - memory_.first_of(zone)) ? Nanos{} : Cache::miss;
}

void MemoryBackend::release(Domain& domain, std::int64_t frames) {
    if (frames < 0)
        throw std::invalid_argument{"a model gives " + std::to_string(frames) + " frames back"};
    Guest& guest = of(domain);
    const std::int64_t given = std::min(frames, static_cast<std::int64_t>(guest.pages->present()));
    for (std::int64_t i = 0; i < given; ++i)
        static_cast<void>(guest.pages->evict());
    memory_.release(domain.id, Frames{given}, machine_->now());
    machine_->work_for(&domain, at_least_some(machine_->costs().give * given));
    account(guest);
    machine_->record(Event::memory_release, &domain, bits(memory_.has(domain.id).count()), bits(given));
}

} // namespace bulkhead::sim
