#include "hv/plugin/memory_policy.hpp"

#include "hv/base/late.hpp"
#include "hv/base/lock.hpp"
#include "hv/base/log.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/plugin/memory_world.hpp"
#include "hv/plugin/page_sampler.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bulkhead::hv::memory_policy {

namespace {

using memctl::Frames;

constinit Late<host::MemoryHost<MemoryWorld>> policy_host;
constinit MemoryGround ground{};
bool decides = false; // there is a policy
constinit Lock<Rank::memory_policy> policy_lock;
Nanos period{};
RealTime next_rebalance = RealTime::never();
bool by_force = false;
bool anyone_pressed = false; // or was until the last rebalance
RealTime next_turn = RealTime::never();
// What the period at hand has brought so far.
enum class Stage : std::uint8_t { rest, look, rebalance, draw };
Stage stage = Stage::rest;

Frames frames_of(std::uint64_t count) { return Frames{static_cast<std::int64_t>(count)}; }

// Holds the lock; when it is released, domain 0 hears of changed targets.
class Decision {
  public:
    Decision() { policy_lock.lock(); }
    ~Decision() {
        const bool tell = std::exchange(ground.targets_changed, false);
        policy_lock.unlock();
        if (!tell)
            return;
        if (Domain* control_plane = find_domain(DomainId{0}))
            raise_global_virq(*control_plane, VIRQ_MEM_EVENT);
    }
    Decision(const Decision&) = delete;
    Decision& operator=(const Decision&) = delete;
};

// What is promised to a domain is as good as its own, and so is the extent that it is about to get.
std::uint64_t own_frames(const DomainMemory& memory) {
    return memory.frames.count + memory.promised + memory.extent.left();
}

// So many more of the zone belong to the domain.
void settle_in_zone(Allotment& allotment, std::uint32_t zone, Frames more) {
    const Frames before = allotment.memory.has;
    policy_host->settle(allotment, memctl::ZoneId{static_cast<std::uint16_t>(zone)}, before + more);
    allotment.in_zone[zone] += static_cast<std::uint32_t>((allotment.memory.has - before).count());
}

// The zone with the most frames that the policy may still give.
std::uint32_t emptiest_zone() {
    const std::span zones{ground.zones, ground.zone_count};
    return std::ranges::max_element(zones, {}, &memctl::Zone::free)->id.value();
}

// What left a zone is counted before what came to another. A frame of no zone, which the domain has if the
// hypervisor has used a zone up, counts in the emptiest one.
void count_in_zones(Domain& domain) {
    auto& allotment = domain.allotment;
    auto& memory = domain.memory;
    frame_table().end_grants(memory);
    if (!std::exchange(memory.zones.changed, false))
        return;
    std::int64_t more[max_zones] = {}, sum = 0;
    const auto making = memory.extent.left();
    for (std::uint32_t zone = 0; zone < ground.zone_count; ++zone) {
        const bool makes = making != 0 && frame_table().zones().fits(memory.extent.first, zone);
        more[zone] = std::int64_t{memory.zones.has[zone]} + memory.zones.due[zone] + (makes ? making : 0);
        sum += more[zone];
        more[zone] -= allotment.in_zone[zone];
    }
    more[emptiest_zone()] += static_cast<std::int64_t>(own_frames(memory)) - sum;
    for (const bool leaves : {true, false})
        for (std::uint32_t zone = 0; zone < ground.zone_count; ++zone)
            if (more[zone] != 0 && (more[zone] < 0) == leaves)
                settle_in_zone(allotment, zone, Frames{more[zone]});
}

// The promised frames of a new domain come from zones that the policy names, as far as its target goes, and
// from the emptiest ones beyond.
void place_promise(Domain& domain) {
    auto& allotment = domain.allotment;
    auto left = domain.memory.promised;
    left -= static_cast<std::uint64_t>(policy_host->populate(allotment, frames_of(left)).count());
    allotment.granted = 0;
    while (left != 0) {
        const auto zone = emptiest_zone();
        const auto some = std::min(frames_of(left), ground.zones[zone].free);
        if (some == Frames{})
            return;
        frame_table().add_due(domain.memory, zone, static_cast<std::uint32_t>(some.count()));
        settle_in_zone(allotment, zone, some);
        left -= static_cast<std::uint64_t>(some.count());
    }
}

void count_frames(Domain& domain) {
    auto& allotment = domain.allotment;
    if (allotment.granted != 0)
        return; // a call under way takes them one by one
    const Frames before = allotment.memory.has;
    if (ground.zone_count == 1)
        policy_host->settle(allotment, memctl::ZoneId{0}, frames_of(own_frames(domain.memory)));
    else
        count_in_zones(domain);
    const auto has = static_cast<std::uint64_t>(allotment.memory.has.count());
    if (const Frames gone = before - allotment.memory.has; gone > Frames{})
        trace_event(trace::Event::memory_release, domain, has, static_cast<std::uint64_t>(gone.count()));
}

void start_zones(const Setup& setup) {
    ground.zone_count = std::clamp(setup.zones, 1U, max_zones);
    if (ground.zone_count == 1) {
        ground.zones[0] = {memctl::ZoneId{0}, frames_of(setup.frames), {}};
        return;
    }
    if (!frame_table().cut(setup.zone_kind, ground.zone_count, setup.frames))
        machine::out_of_memory("memory is too short for its zones: give the machine more (--mem)");
    for (std::uint32_t i = 0; i < ground.zone_count; ++i)
        ground.zones[i] = {
            memctl::ZoneId{static_cast<std::uint16_t>(i)}, frames_of(frame_table().zones().at(i).frames), {}};
}

} // namespace

void start(const LoadedPlugin& plugin, const std::int64_t* values, const Setup& setup) {
    start_zones(setup);
    ground.random = host::seed_of(host::Draws::memory_policy, setup.seed);
    period = setup.period;
    next_rebalance = machine::now() + period;
    by_force = setup.by_force;
    next_turn = machine::now() + host::press_turn;
    page_sampler::start(setup.samples, setup.seed);
    policy_host.make(MemoryWorld{{}, &ground}).start(plugin, values);
    decides = true;
}

Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!decides)
        return fail(Error::no_entry);
    const Decision decision;
    log("policy '%s' takes over\n", plugin.descriptor->name);
    if (policy_host->replace(plugin, values))
        return {};
    log("policy '%s' has no memory; the former one stays (give the machine more: --mem)\n",
        plugin.descriptor->name);
    return fail(Error::no_memory);
}

Result<> admit(Domain& domain, const std::int64_t* values) {
    if (!decides || domain.privileged)
        return {};
    auto& allotment = domain.allotment;
    auto& state = allotment.memory;
    allotment.id = domain.id;
    state.slot = domain.sched.slot;
    state.weight = domain.sched.weight;
    state.most = frames_of(domain.memory.max_frames);
    state.least = host::least_of(state.most);
    state.changed = {};
    state.has_values = values != nullptr;
    if (state.has_values)
        std::ranges::copy_n(values, std::ssize(state.values), state.values);
    std::ranges::fill(allotment.in_zone, 0);
    allotment.press = {};
    allotment.held = false;
    static_cast<void>(allotment.claims.take());
    const Decision decision;
    const bool admitted =
        frames_of(domain.memory.promised) <= policy_host->free() && policy_host->admit(allotment);
    trace_event(trace::Event::memory_admit, domain, admitted ? 1 : 0, domain.memory.max_frames);
    if (!admitted)
        return fail(Error::no_memory);
    if (ground.zone_count > 1)
        place_promise(domain);
    count_frames(domain);
    page_sampler::admit(domain);
    return {};
}

void depart(Domain& domain) {
    if (!decides)
        return;
    page_sampler::depart(domain);
    const Decision decision;
    if (!domain.allotment.is_admitted())
        return;
    count_frames(domain);
    policy_host->depart(domain.allotment);
}

std::uint64_t grant(Domain& domain, std::uint64_t taken, std::uint64_t frames) {
    if (!decides)
        return frames;
    const Decision decision;
    if (!domain.allotment.is_admitted())
        return frames;
    auto& allotment = domain.allotment;
    allotment.granted -= taken;
    count_frames(domain);
    // What is promised to it needs no other grant.
    if (domain.memory.promised > allotment.granted) {
        const auto promised = std::min(domain.memory.promised - allotment.granted, frames);
        allotment.granted += promised;
        return promised;
    }
    const Frames wanted = frames_of(frames);
    const Frames given = policy_host->populate(allotment, wanted);
    policy_host->missed(allotment, static_cast<std::uint64_t>((wanted - given).count()));
    trace_event(trace::Event::memory_grant, domain, static_cast<std::uint64_t>(allotment.memory.has.count()),
                frames << 32 | static_cast<std::uint64_t>(given.count()));
    return static_cast<std::uint64_t>(given.count());
}

void settle(Domain& domain, std::uint64_t granted) {
    if (!decides)
        return;
    const Decision decision;
    if (!domain.allotment.is_admitted())
        return;
    domain.allotment.granted -= granted;
    count_frames(domain);
}

void claim_stall(Domain& domain, std::uint64_t wait) {
    if (decides && !domain.privileged)
        domain.allotment.claims.add(wait);
}

void tune(Domain& domain) {
    if (!decides)
        return;
    const Decision decision;
    if (!domain.allotment.is_admitted())
        return;
    domain.allotment.memory.weight = domain.sched.weight;
    policy_host->tune(domain.allotment);
}

Result<host::Change> change(Domain& domain, const plugin::ValueChanges& changes) {
    if (!decides)
        return fail(Error::no_device);
    const Decision decision;
    if (!domain.allotment.is_admitted())
        return fail(Error::no_device);
    return policy_host->change(domain.allotment, changes);
}

namespace {

void report(Domain& domain, const PagesSeen& seen) {
    const Decision decision;
    if (domain.allotment.is_admitted())
        policy_host->sample(domain.allotment, frames_of(seen.looked_at), frames_of(seen.used));
}

// One that dies waits for nothing but those that hold its frames, and its account is closed.
bool can_be_pressed(const Domain& domain) {
    return domain.allotment.is_admitted() && domain.life != control::Life::dying;
}

void rebalance() {
    const Decision decision;
    for_each_domain([](Domain& domain) {
        if (!domain.allotment.is_admitted())
            return;
        count_frames(domain);
        if (const auto claimed = domain.allotment.claims.take(); claimed.reports != 0)
            policy_host->stalled(domain.allotment, claimed.stalled, claimed.refaults);
        domain.allotment.memory.ran = Nanos{domain.ledger->guest_ns};
        domain.allotment.memory.waited = Nanos{domain.ledger->waiting_ns};
    });
    policy_host->rebalance();
    anyone_pressed = false;
    for_each_domain([](Domain& domain) {
        auto& allotment = domain.allotment;
        if (!can_be_pressed(domain))
            return;
        const bool wanted = policy_host->to_reclaim(allotment) > Frames{} && by_force;
        anyone_pressed |= wanted || domain.ledger->withheld != 0;
        allotment.press.want(wanted);
    });
}

void press(Domain& domain) {
    auto& allotment = domain.allotment;
    if (!can_be_pressed(domain))
        return;
    allotment.press.next_turn(allotment.memory.has);
    if (const std::uint32_t withheld = allotment.press.withheld(); withheld != domain.ledger->withheld) {
        domain.ledger->withheld = withheld;
        trace_event(trace::Event::memory_press, domain,
                    static_cast<std::uint64_t>(allotment.memory.has.count()), withheld);
    }
    if (const bool holds = allotment.press.holds(); std::exchange(allotment.held, holds) != holds)
        holds ? pause_all(domain) : unpause_all(domain);
}

} // namespace

bool rebalance_if_due(RealTime now) {
    switch (stage) {
    case Stage::rest:
        if (now < next_rebalance)
            return false;
        next_rebalance = now + period;
        stage = Stage::look;
        [[fallthrough]];
    case Stage::look:
        if (!page_sampler::look(report))
            return true;
        stage = Stage::rebalance;
        [[fallthrough]];
    case Stage::rebalance:
        rebalance();
        stage = page_sampler::is_on() ? Stage::draw : Stage::rest;
        return stage == Stage::draw;
    case Stage::draw:
        if (!page_sampler::draw())
            return true;
        stage = Stage::rest;
    }
    return false;
}

void press_if_due(RealTime now) {
    if (!by_force || now < next_turn)
        return;
    while (next_turn <= now)
        next_turn = next_turn + host::press_turn;
    if (anyone_pressed)
        for_each_domain(press);
}

} // namespace bulkhead::hv::memory_policy
