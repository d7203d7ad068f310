// What happens on one pCPU: guest code runs to its next call or is interrupted, timers fire, the policy
// decides. The order of steps and the domain that each bills are those of hv/dispatch/dispatch.cpp.
#include "abi/control.hpp"
#include "host/section.hpp"
#include "sim/accounts.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bulkhead::sim {

using sched::Stop;
using trace::Event;

namespace {
constexpr Nanos housekeeping_period = milliseconds(10);
constexpr std::size_t visits_at_once = 64; // where visits cost nothing
constexpr std::int64_t least_call = 1;     // ns; so that no program stops the clock

std::int64_t cost_of(Step::Call call, const Costs& costs) {
    if (call == Step::Call::service) // billed where it is served
        return 0;
    constexpr std::array fields{&Costs::mark,    &Costs::mark,    &Costs::notify,  &Costs::wait,
                                &Costs::poll,    &Costs::yield,   &Costs::fault,   &Costs::junk,
                                &Costs::control, &Costs::control, &Costs::shutdown};
    static_assert(fields.size() == static_cast<std::size_t>(Step::Call::service));
    return std::max(costs.*fields[static_cast<std::size_t>(call)], least_call);
}
constexpr std::int64_t release_cost(const Costs& costs, Stop why) {
    switch (why) {
    case Stop::slice_end:
        return costs.release + costs.requeue;
    case Stop::yielded:
        return costs.release + costs.give_way;
    case Stop::preempted:
        return costs.release + costs.step_back;
    default:
        return costs.release;
    }
}
} // namespace

inline Core& Machine::next_core() {
    Core* next = cores_.data();
    for (std::size_t i = 1; i < cores_.size(); ++i)
        if (cores_[i].next < next->next)
            next = &cores_[i];
    return *next;
}

bool Machine::run_until(RealTime end, std::uint64_t events) {
    const Guard::Scope loops_end;
    for (std::uint64_t done = 0; !ended_; ++done) {
        Core& next = next_core();
        if (next.next > end)
            break;
        if (done == events)
            return true;
        advance(next);
    }
    if (!ended_)
        now_ = std::max(now_, end);
    return false;
}

void Machine::advance(Core& core) {
    ++events_;
    active_ = &core;
    now_ = core.next;
    bool entered = true; // the hypervisor
    if (core.halted) {
        entered = wake_from_halt(core);
    } else if (core.current == nullptr) {
        core.entered = now_; // its vCPU was taken off from elsewhere
        run_timers(core);
    } else if (core.interrupted_at() <= now_) {
        interrupt(core);
    } else {
        entered = complete(core);
    }
    if (entered)
        leave_hypervisor(core);
    active_ = nullptr;
}

// False if it halts again.
inline bool Machine::wake_from_halt(Core& core) {
    core.ledger.idle_ns += (now_ - core.posted).count();
    core.posted = core.entered = now_;
    now_ += Nanos{options_.costs.idle_exit}; // whose that is depends on what has come
    run_timers(core);
    if (!core.need_dispatch) {
        bill(core, nullptr, 0);
        refresh(core);
        return false;
    }
    trace(core, Event::idle_out, nullptr, 0, static_cast<std::uint64_t>((now_ - core.halted_since).count()));
    core.halted = false;
    core.timers.forgive(false);
    host_.resumes(core.id);
    core.ends = RealTime::never();
    return true;
}

inline void Machine::interrupt(Core& core) {
    bill_guest(core, *core.current, now_);
    core.entered = now_;
    now_ += Nanos{options_.costs.interrupt}; // whose that is depends on what has come
    if (core.ends <= now_ || core.timers.first() > now_)
        bill(core, core.current->domain, 0);
    run_timers(core);
}

[[gnu::always_inline]] inline void Machine::run_timers(Core& core) {
    if (core.poked <= now_)
        core.poked = RealTime::never();
    if (core.ends <= now_) {
        core.ends = RealTime::never();
        core.reason = Stop::slice_end;
        core.need_dispatch = true;
    }
    if (core.timers.first() <= now_)
        fire_due(core);
}

void Machine::fire_due(Core& core) {
    while (core.timers.first() <= now_ && now_ - core.entered < host::longest_timer_pass) {
        auto* const due = static_cast<Deadline*>(core.timers.take_due(now_));
        if (due == nullptr) // its domain is in debt
            continue;
        if (due == &housekeeping_) {
            core.timers.arm(housekeeping_, core.own_timers, due->deadline + housekeeping_period);
            keep_house(core);
            continue;
        }
        if (due->order >= first_own_order) {
            on_alarm(*this, *due);
            continue;
        }
        fire(core, vcpus_[due->order], due->deadline);
    }
}

// As many domains as the section's budget allows, going on where the last visit stopped.
void Machine::keep_house(Core& core) {
    const RealTime began = now_;
    for (std::size_t left = std::min(visits_at_once, domains_.size()); left > 0; --left) {
        host_.check_starvation(domains_[next_visited_++ % domains_.size()], now_);
        bill(core, nullptr, options_.costs.housekeeping);
        if (now_ - core.entered > host::section_budget)
            break;
    }
    if (core.current != nullptr)
        core.current->other_work += now_ - began;
    if (now_ >= end_)
        end_run(landmark::Exit::time_over);
}

// The rest of the work for an event once its vCPU is awake. A pCPU that the policy asks to pick hears of it
// at the end of that.
template<class Wake>
inline std::int64_t Machine::cost_of_waking(std::int64_t rest, Wake wake) {
    const std::uint64_t kicks = kicks_;
    rest_of_wake_ = Nanos{rest};
    wake();
    rest_of_wake_ = {};
    return kicks_ != kicks ? rest + options_.costs.kick : rest;
}

// What was not billed yet, the way into the hypervisor, is the first owner's as well.
void Machine::fire(Core& core, Vcpu& owner, RealTime deadline) {
    const RealTime began = core.posted;
    const bool polls = owner.step_.call == Step::Call::poll;
    if (!polls)
        trace(core, Event::timer_fire, &owner, static_cast<std::uint64_t>(deadline.since_start().count()),
              static_cast<std::uint64_t>((now_ - deadline).count()));
    const bool queued = owner.sched.state == RunState::queued;
    bill(core, owner.domain, polls ? options_.costs.expire : options_.costs.fire);
    const std::int64_t woke = owner.waiting ? options_.costs.woke : 0;
    owner.upcall |= !polls; // VIRQ_TIMER
    const WakeCause cause = polls ? WakeCause::timer : WakeCause::event;
    bill(core, owner.domain, cost_of_waking(woke, [&] { wake(owner, cause); }));
    const bool foreign = core.current != nullptr && core.current != &owner;
    core.served = foreign || core.current == nullptr ? &owner : nullptr;
    if (!foreign)
        return;
    const Nanos took = now_ - began;
    core.current->other_work += took;
    if (queued)
        owner.owed += took;
    else
        host_.charge(owner, took); // after the wake, as in the hypervisor
    if (core.current->domain != owner.domain)
        owner.domain->timer_lines[core.id.value()].debt.add(took, host_.share(*owner.domain), now_);
}

// The guest has come to the end of its step's work. False if that needs no call of the hypervisor.
inline bool Machine::complete(Core& core) {
    Vcpu& vcpu = *core.current;
    bill_guest(core, vcpu, now_);
    vcpu.left = Nanos{};
    Step& step = vcpu.step_;
    const bool waits = step.call == Step::Call::wait, polls = step.call == Step::Call::poll;
    const bool over = (waits && (vcpu.signalled_ || (step.a == 0 ? step.until <= now_ : vcpu.waited))) ||
                      (polls && step.until <= now_);
    if (step.call == Step::Call::none || over) {
        vcpu.fetched = false;
        fetch(core, vcpu);
        refresh(core);
        return false;
    }
    core.entered = now_;
    carry_out(core, vcpu);
    return true;
}

inline void Machine::carry_out(Core& core, Vcpu& vcpu) {
    const Step step = vcpu.step_;
    Domain& domain = *vcpu.domain;
    const std::uint64_t woken = woken_;
    const bool expired = step.call == Step::Call::wait && set_timer(core, vcpu, step.until);
    ++domain.ledger.hypercalls;
    bill(core, &domain, cost_of(step.call, options_.costs));
    vcpu.fetched = false;
    switch (step.call) {
    case Step::Call::none:
    case Step::Call::junk:
        break;
    case Step::Call::fault:
        ++domain.ledger.traps;
        break;
    case Step::Call::mark:
        trace(core, Event::mark, &vcpu, step.a, step.b);
        if (step.a == control::page_fault_mark && on_page_fault)
            on_page_fault(domain, step.b);
        break;
    case Step::Call::notify:
        ++domain.ledger.events_sent;
        send(core, vcpu, *static_cast<Vcpu*>(step.target));
        break;
    case Step::Call::wait:
        block(core, vcpu, expired);
        vcpu.left = vcpu.check_;
        break;
    case Step::Call::poll:
        arm(core, vcpu, step.until);
        block(core, vcpu, false);
        break;
    case Step::Call::yield:
        if (host_.nobody_waits()) // it would only be picked again
            break;
        bill(core, &domain, options_.costs.cede);
        core.reason = Stop::yielded;
        core.need_dispatch = true;
        break;
    case Step::Call::start_vcpu:
        unpause(*domain.vcpus.at(step.a));
        bill(core, &domain, woken_ != woken ? options_.costs.woke : 0);
        break;
    case Step::Call::control:
        if (on_control)
            on_control(*this, static_cast<manifest::Action>(step.a), step.b,
                       step.until.since_start().count());
        bill(core, &domain, woken_ != woken ? options_.costs.woke : 0);
        break;
    case Step::Call::shutdown:
        shut_down(domain, static_cast<std::uint32_t>(step.a));
        break;
    case Step::Call::service:
        if (on_service)
            on_service(*this, vcpu, step.a, step.b);
        break;
    }
}

inline void Machine::send(Core& core, Vcpu& vcpu, Vcpu& target) {
    trace(core, Event::event_send, &vcpu, 0, std::uint64_t{target.domain->id.value()} << 32);
    if (target.waiting)
        bill(core, vcpu.domain, options_.costs.signal);
    bill(core, vcpu.domain, cost_of_waking(options_.costs.sent, [&] { signal(target); }));
}

// The call before a block with a deadline. True if the deadline has passed by its end: the timer is served
// before the guest's next instruction, without an interrupt.
inline bool Machine::set_timer(Core& core, Vcpu& vcpu, RealTime deadline) {
    if (deadline == RealTime::never())
        return false;
    ++vcpu.domain->ledger.hypercalls;
    bill(core, vcpu.domain, options_.costs.timer);
    if (deadline > now_) {
        arm(core, vcpu, deadline);
        return false;
    }
    host::TimerQueue::cancel(vcpu.timer);
    fire(core, vcpu, deadline);
    return true;
}

// With an event to be taken, the call returns at once.
inline void Machine::block(Core& core, Vcpu& vcpu, bool event_waits) {
    vcpu.fetched = true; // looked at again once it is woken
    vcpu.waited = true;
    vcpu.waiting = !event_waits;
    core.need_dispatch |= vcpu.waiting;
}

inline void Machine::leave_hypervisor(Core& core) {
    if (ended_)
        return;
    if (core.need_dispatch || core.current == nullptr)
        dispatch(core);
    if (core.current == nullptr)
        return refresh(core); // halted
    if (Vcpu* const owner = std::exchange(core.served, nullptr)) {
        core.current->other_work += Nanos{options_.costs.leave};
        owner->owed += Nanos{options_.costs.leave};
        bill(core, owner->domain, options_.costs.leave);
    } else {
        bill(core, core.current->domain, options_.costs.leave);
    }
    end_section(core);
    core.from = now_;
    fetch(core, *core.current);
    refresh(core);
}

inline void Machine::fetch(const Core& core, Vcpu& vcpu) {
    if (!vcpu.fetched) {
        vcpu.step_ = {};
        vcpu.resumed_ = core.from;
        if (!vcpu.program.resume())
            vcpu.step_ = {.call = Step::Call::shutdown};
        vcpu.fetched = true;
        vcpu.waited = false;
        vcpu.left = vcpu.step_.work;
    }
    if (vcpu.upcall) {
        vcpu.upcall = false;
        vcpu.left += Nanos{options_.costs.upcall};
    }
}

// The time until the next pick is billed to the vCPU that gave up the pCPU, or to the one whose timer
// preempted it; after a rest, to the one that is picked.
[[gnu::always_inline]] inline void Machine::dispatch(Core& core) {
    Vcpu* const owner = std::exchange(core.served, nullptr);
    Domain* payer = owner != nullptr ? owner->domain : nullptr;
    Vcpu* const before = core.current;
    RealTime stopped = now_;
    bool preempted = false;
    if (before != nullptr) {
        if (payer == nullptr || core.reason != Stop::preempted)
            payer = before->domain;
        bill(core, payer, options_.costs.stop);
        const Stop why = may_run(*core.current)  ? core.reason
                         : core.current->waiting ? Stop::blocked
                                                 : Stop::paused;
        stopped = now_;
        preempted = why == Stop::preempted;
        stop_current(core, why);
        bill(core, payer, release_cost(options_.costs, why));
    }
    core.need_dispatch = false;
    const auto choice = host_.pick(core, for_policy(), before);
    ++decisions_;
    if (before == nullptr && payer == nullptr && choice.vcpu != nullptr)
        payer = choice.vcpu->domain;
    bill(core, payer, options_.costs.pick);
    if (before != nullptr && choice.vcpu != nullptr)
        (preempted ? choice.vcpu : before)->owed += now_ - stopped;
    if (choice.vcpu == nullptr)
        halt(core, choice.slice, payer);
    else
        start(core, *choice.vcpu, choice.slice);
}

void Machine::stop_current(Core& core, Stop why) {
    Vcpu& vcpu = *core.current;
    const Nanos ran = std::max(now_ - vcpu.run_since - vcpu.other_work, Nanos{});
    const Nanos owed = std::exchange(vcpu.owed, Nanos{});
    core.current = nullptr;
    core.ends = RealTime::never();
    settle(vcpu, now_);
    trace(core, Event::run_out, &vcpu, static_cast<std::uint64_t>(why),
          static_cast<std::uint64_t>(ran.count()));
    host_.stop(vcpu, why, ran + owed, for_policy());
}

inline void Machine::start(Core& core, Vcpu& vcpu, Nanos slice) {
    const std::int64_t load = options_.costs.resume + (core.loaded == &vcpu ? 0 : options_.costs.load);
    core.loaded = core.current = &vcpu;
    if (vcpu.sched.pcpu != core.id && vcpu.timer.armed()) {
        Core& former = cores_[vcpu.sched.pcpu.value()];
        arm(core, vcpu, vcpu.timer.deadline);
        refresh(former);
    }
    const Nanos waited = now_ - vcpu.since;
    settle(vcpu, now_);
    host_.start_running(vcpu, core.id);
    vcpu.run_since = now_;
    vcpu.other_work = Nanos{};
    core.reason = Stop::preempted;
    ++vcpu.domain->ledger.run_ins;
    trace(core, Event::run_in, &vcpu, static_cast<std::uint64_t>(slice.count()),
          static_cast<std::uint64_t>(waited.count()));
    core.ends = now_ + slice;
    bill(core, vcpu.domain, load);
}

inline void Machine::halt(Core& core, Nanos longest, Domain* payer) {
    bill(core, payer, options_.costs.rest);
    end_section(core);
    core.loaded = nullptr;
    core.halted = true;
    core.halted_since = now_;
    core.ends = longest == sched::Decision::until_kicked ? RealTime::never() : now_ + longest;
    trace(core, Event::idle_in, nullptr,
          static_cast<std::uint64_t>(std::min(core.ends, core.timers.first()).since_start().count()), 0);
    if (core.need_dispatch) // asked while it picked
        core.poked = now_;
    host_.idles(core.id);
    core.timers.forgive(true);
}

} // namespace bulkhead::sim
