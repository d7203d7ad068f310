// MemoryHost: frames that come and go, targets, and the checks of the answers. Part of memory_host.hpp.
#pragma once

#include "host/memory_host.hpp"

namespace bulkhead::host {

template<class World>
void MemoryHost<World>::refresh(const MemoryState& state) {
    state.policy->weight = state.weight;
    state.policy->has = state.has;
    state.policy->target = state.target;
    state.policy->ran = state.ran;
    state.policy->waited = state.waited;
    state.policy->missed = state.missed;
    state.policy->memory_pressure = state.memory_pressure;
    state.policy->memory_pressure.stalled =
        std::min(state.memory_pressure.stalled, this->world().now() - rebalanced_);
    state.policy->balloon = balloon_of(state);
}

template<class World>
memctl::Balloon MemoryHost<World>::balloon_of(const MemoryState& state) {
    if (state.has <= state.target)
        return memctl::Balloon::settled;
    const RealTime since = state.gave ? std::max(state.over_since, state.gave_at) : state.over_since;
    if (this->world().now() - since < memctl::balloon_patience)
        return memctl::Balloon::moving;
    return state.gave ? memctl::Balloon::stuck : memctl::Balloon::absent;
}

// What is wrong with choose's answer; nullptr if nothing is.
template<class World>
const char* MemoryHost<World>::wrong(const memctl::Grant& grant, Frames wanted) {
    const auto zones = this->world().zones();
    if (grant.zone.value() >= zones.size())
        return "a zone that does not exist";
    if (grant.frames == Frames{} && !this->may_idle())
        return "no frames, though there are free ones";
    if (grant.frames < Frames{} || grant.frames > wanted)
        return "more frames than are wanted, or less than none";
    return grant.frames > zones[grant.zone.value()].free ? "more frames than are free there" : nullptr;
}

template<class World>
memctl::Frames MemoryHost<World>::populate(Domain& domain, Frames wanted) {
    MemoryState& state = domain.memory;
    Frames given{};
    const auto room = [&] { return std::min(wanted - given, state.target - state.has); };
    while (room() > Frames{} && free_ > Frames{}) { // each turn gives a frame, ejects, or is the last
        refresh(state);
        const auto called =
            call(Hook::choose, memctl::hook_budget, hooks().choose, object(), *state.policy, room());
        if (!called.well()) // the fallback is in charge; the target may be another
            continue;
        const memctl::Grant& grant = called.answer;
        if (const char* what = wrong(grant, room()); what != nullptr) {
            eject(Hook::choose, plugin::Fault::wrong_answer, called.end, what);
            continue;
        }
        if (grant.frames == Frames{}) // of a policy that may
            break;
        this->world().take(domain, grant.zone, grant.frames);
        this->world().zones()[grant.zone.value()].free -= grant.frames;
        free_ -= grant.frames;
        state.has += grant.frames;
        given += grant.frames;
    }
    return given;
}

template<class World>
memctl::Frames MemoryHost<World>::release(Domain& domain, Frames count) {
    note_given(domain.memory, std::min(count, domain.memory.has));
    return take_back(domain, count);
}

template<class World>
memctl::Frames MemoryHost<World>::take_back(Domain& domain, Frames count) {
    MemoryState& state = domain.memory;
    const Frames taken = std::min(count, state.has);
    const auto zones = this->world().zones();
    for (std::int64_t i = 0; i < taken.count(); ++i)
        zones[this->world().give_back(domain).value()].free += Frames{1};
    free_ += taken;
    state.has -= taken;
    note_excess(state);
    return taken;
}

template<class World>
void MemoryHost<World>::settle(Domain& domain, memctl::ZoneId zone, Frames has) {
    MemoryState& state = domain.memory;
    Frames& left = this->world().zones()[zone.value()].free;
    const Frames more = std::min(has - state.has, left);
    note_given(state, Frames{} - more);
    left -= more;
    free_ -= more;
    state.has += more;
    note_excess(state);
}

template<class World>
void MemoryHost<World>::note_excess(MemoryState& state) {
    if (state.has <= state.target)
        state.over_since = RealTime::never();
    else if (state.over_since == RealTime::never())
        state.over_since = this->world().now();
}

// What it gives back while it is not over its target says nothing of its balloon.
template<class World>
void MemoryHost<World>::note_given(MemoryState& state, Frames given) {
    if (given <= Frames{} || state.has <= state.target)
        return;
    state.gave = true;
    state.gave_at = this->world().now();
}

// No sum of claims overflows: each is bounded, and so is their number in a period.
template<class World>
void MemoryHost<World>::stalled(Domain& domain, Nanos wait, std::uint64_t refaults) {
    memctl::Pressure& claimed = domain.memory.memory_pressure;
    const Nanos room = memctl::longest_period - claimed.stalled;
    claimed.stalled = claimed.stalled + std::clamp(wait, Nanos{}, room);
    claimed.refaults += refaults;
    claimed.is_measured = true;
}

template<class World>
void MemoryHost<World>::sample(Domain& domain, Frames looked_at, Frames used) {
    refresh(domain.memory);
    static_cast<void>(call(Hook::sample, memctl::hook_budget, hooks().sample, object(), *domain.memory.policy,
                           looked_at, used, this->world().now()));
}

// What the policy is asked to fill, as it is now.
template<class World>
std::span<memctl::Row> MemoryHost<World>::fill_rows() {
    auto& pool = this->active().pools[MemoryKind::rows];
    memctl::Row* first = nullptr;
    std::uint32_t filled = 0;
    for (const MemoryState& state : domains_) {
        auto* const row = static_cast<memctl::Row*>(pool.create(this->world(), filled++));
        first = first == nullptr ? row : first;
        *row = {state.policy, state.target};
        refresh(state);
    }
    return {first, filled};
}

// What is wrong with the targets; nullptr if nothing is.
template<class World>
const char* MemoryHost<World>::wrong(std::span<const memctl::Row> rows) const {
    Frames sum{};
    auto row = rows.begin();
    for (const MemoryState& state : domains_) {
        if (row->domain != state.policy)
            return "a row of another domain";
        if (row->target < state.least || row->target > state.most)
            return "a target outside of what the domain can have";
        sum += row++->target;
    }
    return sum > frames_ ? "more frames than the machine has" : nullptr;
}

template<class World>
void MemoryHost<World>::set_targets(std::span<const memctl::Row> rows) {
    auto row = rows.begin();
    rebalanced_ = this->world().now();
    for (MemoryState& state : domains_) {
        const Frames target = row++->target;
        state.missed = 0;
        state.memory_pressure = {{}, 0, state.memory_pressure.is_measured};
        if (state.target != target)
            this->world().target_changes(domain_of(state), target);
        state.target = target;
        note_excess(state);
    }
}

template<class World>
void MemoryHost<World>::rebalance() {
    if (domains_.empty())
        return;
    const auto rows = fill_rows();
    const auto called = call(Hook::rebalance, memctl::rebalance_budget, hooks().rebalance, object(),
                             rows.data(), count_, this->world().now());
    if (!called.well()) // the fallback has set the targets
        return;
    if (const char* what = wrong(rows); what != nullptr)
        return eject(Hook::rebalance, plugin::Fault::wrong_answer, called.end, what);
    set_targets(rows);
}

template<class World>
memctl::Frames MemoryHost<World>::to_reclaim(Domain& domain) {
    MemoryState& state = domain.memory;
    const Frames over = state.has - state.target;
    if (over <= Frames{})
        return {};
    refresh(state);
    const auto called = call(Hook::reclaim, memctl::hook_budget, hooks().reclaim, object(), *state.policy,
                             over, this->world().now() - state.over_since);
    if (!called.well())
        return {};
    if (called.answer >= Frames{} && called.answer <= over)
        return called.answer;
    eject(Hook::reclaim, plugin::Fault::wrong_answer, called.end,
          "more frames than the domain is over its target");
    return {};
}

template<class World>
void MemoryHost<World>::tune(Domain& domain) {
    refresh(domain.memory);
    this->fill_values(domain.memory.policy->values, domain.memory);
    static_cast<void>(call(Hook::tune, memctl::hook_budget, hooks().tune, object(), *domain.memory.policy));
    rebalance();
}

template<class World>
Change MemoryHost<World>::change(Domain& domain, const plugin::ValueChanges& changes) {
    const Change judged = this->note_changes(domain.memory, changes);
    if (judged == Change::done)
        tune(domain);
    return judged;
}

} // namespace bulkhead::host
