#include "hv/dispatch/dispatch.hpp"

#include "hv/arch/apic.hpp"
#include "hv/arch/context.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/remote.hpp"
#include "hv/arch/rest.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/dispatch/leave.hpp"
#include "hv/dispatch/service.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"
#include "hv/trap/trap.hpp"

#include <atomic>
#include <utility>

namespace bulkhead::hv {

namespace {

constinit std::atomic<bool> dispatch_held = false;
constexpr scheduler::Choice standing_still{nullptr, sched::Decision::until_kicked, {}};

bool may_run(const Vcpu& vcpu) {
    return vcpu.sched.initialised && vcpu.sched.online && !vcpu.sched.waiting &&
           vcpu.sched.pause_count == 0 && vcpu.domain->sched.pause_count == 0 &&
           vcpu.domain->life == control::Life::running;
}

sched::Stop why_held(const Vcpu& vcpu) {
    return vcpu.domain->life == control::Life::dying ? sched::Stop::gone : sched::Stop::paused;
}

std::uint32_t idle_runstate(const Vcpu& vcpu) {
    const bool held = !vcpu.sched.online || vcpu.sched.pause_count != 0 ||
                      vcpu.domain->sched.pause_count != 0 || vcpu.domain->life != control::Life::running;
    return held ? RUNSTATE_offline : RUNSTATE_blocked;
}

void become_queued(Vcpu& vcpu, WakeCause cause, RealTime now) {
    change_runstate(vcpu, RUNSTATE_runnable, now);
    ++vcpu.domain->ledger->wakes;
    trace_event(trace::Event::wake, vcpu, static_cast<std::uint64_t>(cause), 0);
    scheduler::wake(vcpu, now);
}

void leave_queue(Vcpu& vcpu) {
    const auto now = machine::now();
    change_runstate(vcpu, idle_runstate(vcpu), now);
    scheduler::withdraw(vcpu, why_held(vcpu), now);
}

// Brings the scheduler's view in line with the reasons for and against running.
void update(Vcpu& vcpu, WakeCause cause) {
    const bool runnable = may_run(vcpu);
    switch (vcpu.sched.state) {
    case RunState::offline:
        return;
    case RunState::blocked:
        if (runnable)
            become_queued(vcpu, cause, machine::now());
        return;
    case RunState::queued:
        if (!runnable)
            leave_queue(vcpu);
        return;
    case RunState::running:
        if (!runnable)
            request_dispatch(vcpu.sched.pcpu);
        return;
    }
}

sched::Stop why_stopped(const Pcpu& self, const Vcpu& vcpu) {
    if (may_run(vcpu))
        return self.stop_reason;
    return vcpu.sched.waiting && vcpu.domain->life != control::Life::dying ? sched::Stop::blocked
                                                                           : why_held(vcpu);
}

// Answers the time after it.
[[gnu::always_inline]] inline RealTime stop_current(Pcpu& self) {
    Vcpu& vcpu = *self.current;
    const auto now = machine::now();
    const auto why = why_stopped(self, vcpu);
    if (vcpu.service.foreign) [[unlikely]]
        settle_service(vcpu, now);
    auto ran = now - vcpu.sched.run_since - vcpu.sched.other_work;
    self.slice_end = RealTime::never();
    self.current = nullptr;
    const bool runnable = sched::still_runnable(why);
    change_runstate(vcpu, runnable ? std::uint32_t{RUNSTATE_runnable} : idle_runstate(vcpu), now);
    trace_event_at(now, trace::Event::run_out, vcpu, static_cast<std::uint64_t>(why),
                   static_cast<std::uint64_t>(ran.count()));
    if ((vcpu.timers.period.count() | vcpu.timers.owed.count()) != 0) [[unlikely]]
        ran += stop_ticking(vcpu);
    return scheduler::stop(vcpu, why, ran + std::exchange(vcpu.sched.switch_work, Nanos{0}), now);
}

// Who caused a switch pays for it: the vCPU that gave up the pCPU, or the one that preempted it. Otherwise a
// crowd that yields all the time would slow the others down for nothing. A switch to idleness slows nobody.
[[gnu::always_inline]] inline void settle_switch(const Pcpu& self, Vcpu& before, Vcpu& after,
                                                 RealTime picked) {
    const bool preempted =
        self.stop_reason == sched::Stop::preempted && before.sched.state == RunState::queued;
    (preempted ? after : before).sched.switch_work += picked - before.sched.runnable_since;
}

// Takes the registers of the vCPU that ran last off this pCPU. Its address space may stay in force until
// another is loaded, all of which happens before the run lock is given up: a vCPU that does not run is on no
// pCPU.
void unload(Pcpu& self) {
    if (self.loaded == nullptr)
        return;
    save_context(self, *self.loaded);
    self.loaded = nullptr;
}

// `now` is when the policy chose it: from then on the time is its own.
void start_vcpu(Pcpu& self, Vcpu& vcpu, Nanos slice, RealTime now) {
    const bool moves = vcpu.sched.pcpu != self.id;
    scheduler::start_running(vcpu, self.id); // before its tables are loaded: a change of them flushes here
    if (moves)
        bring_timers(vcpu);
    if (vcpu.timers.period != Nanos{0}) [[unlikely]]
        start_ticking(vcpu, now);
    if (self.loaded != &vcpu) {
        unload(self);
        load_context(self, vcpu);
        self.loaded = &vcpu;
    }
    vcpu.sched.run_since = now;
    vcpu.sched.other_work = Nanos{0};
    self.current = &vcpu;
    self.stop_reason = sched::Stop::preempted;
    ++vcpu.domain->ledger->run_ins;
    trace_event_at(now, trace::Event::run_in, vcpu, static_cast<std::uint64_t>(slice.count()),
                   static_cast<std::uint64_t>((now - vcpu.sched.runnable_since).count()));
    change_runstate(vcpu, RUNSTATE_running, now);
    refresh_time(vcpu);
    publish_runstate(vcpu);
    self.slice_end = now + slice;
}

// Nothing can run: rests until an interrupt asks for another decision. The run lock is given up meanwhile.
void idle(Pcpu& self, Nanos longest) {
    const auto start = machine::now();
    unload(self);
    load_idle_root();
    if (longest != sched::Decision::until_kicked)
        self.slice_end = start + longest;
    trace_event(trace::Event::idle_in, static_cast<std::uint64_t>(next_deadline(self).since_start().count()),
                0);
    scheduler::idles(self.id);
    self.timers.forgive(true);
    run_lock().unlock();
    while (!self.has(work::dispatch)) {
        program_timer(next_deadline(self));
        begin_idle();
        rest(self.expires);
        end_idle();
        self.request_pending = false;
        self.done(work::timer);
        stop_if_asked();
        run_timers();
        keep_house_if_due();
    }
    run_lock().lock();
    self.timers.forgive(false);
    scheduler::resumes(self.id);
    self.slice_end = RealTime::never();
    trace_event(trace::Event::idle_out, 0, static_cast<std::uint64_t>((machine::now() - start).count()));
}

// The time until the next pick is billed to the domain of the vCPU that gave up the pCPU, or of the one whose
// timer preempted it; after a rest, to that of the chosen vCPU, or to whoever had this pCPU asked if nobody
// is to run. From the pick on, the time is billed to the domain of the chosen vCPU.
void dispatch(Pcpu& self) {
    const LockGuard run{run_lock()};
    Vcpu* before = self.current;
    if (self.serves_timer && before != nullptr)
        end_timer_work_in_dispatch();
    RealTime now = before != nullptr ? stop_current(self) : machine::now();
    bool rested = false;
    while (self.current == nullptr) {
        self.done(work::dispatch);
        const auto choice = dispatch_held ? standing_still : scheduler::pick(self, now, before);
        if (before != nullptr && choice.vcpu != nullptr)
            settle_switch(self, *before, *choice.vcpu, choice.at);
        before = nullptr; // it may be gone after an idle time
        if (choice.vcpu != nullptr) {
            if (rested)
                bill_wake(self, *choice.vcpu, choice.at);
            else
                bill_run(self, *choice.vcpu, choice.at);
            start_vcpu(self, *choice.vcpu, choice.slice, choice.at);
        } else {
            if (rested)
                bill_vain_request(self);
            idle(self, choice.slice);
            rested = true;
            now = machine::now();
        }
    }
}

[[gnu::noinline]] void serve_interrupt(Pcpu& self) {
    stop_if_asked();
    if (!self.take(work::timer))
        return;
    run_timers();
    keep_house_if_due();
}

// Until nothing is asked of this pCPU, and a vCPU holds it.
void do_work(Pcpu& self) {
    do {
        if (self.has(work::stop | work::timer))
            serve_interrupt(self);
        if (self.has(work::dispatch)) {
            name_section(self, landmark::SectionKind::dispatch, 0);
            dispatch(self);
        }
        self.done(work::new_timer);
    } while (self.has(work::dispatch | work::timer));
    // It may be set too early, for the sake of a hook: then it finds nothing due, and is set again.
    if (const auto next = next_deadline(self); next < self.programmed)
        program_timer(next);
    if (self.serves_timer)
        end_timer_work();
}

} // namespace

Vcpu* current_vcpu() { return pcpu().current; }

namespace {

[[gnu::noinline]] void wake_waiting(Vcpu& vcpu, WakeCause cause) {
    const LockGuard run{run_lock()};
    if (!vcpu.sched.waiting) {
        if (vcpu.sched.state == RunState::running)
            nudge(vcpu.sched.pcpu);
        return;
    }
    vcpu.sched.waiting = false;
    vcpu.poll.active = false;
    clear_poll_timeout(vcpu);
    update(vcpu, cause);
}

} // namespace

void wake_vcpu(Vcpu& vcpu, WakeCause cause) {
    // A vCPU that signals itself looks for the event when it returns to its guest. Only this pCPU lets it
    // wait.
    if (&vcpu != current_vcpu() || vcpu.sched.waiting)
        wake_waiting(vcpu, cause);
}

namespace {

// A pCPU that raises an event sets its bits first and calls wake_vcpu then: wake_vcpu finds `waiting` set, or
// this function finds the bits.
[[gnu::noinline]] void wait_for_work(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    vcpu.sched.waiting = !has_work(vcpu);
    if (vcpu.sched.waiting)
        request_dispatch(vcpu.sched.pcpu);
}

} // namespace

void block_current() {
    if (Vcpu& vcpu = *current_vcpu(); !has_work(vcpu)) // else it goes on, and nobody expects it to wait
        wait_for_work(vcpu);
}

void poll_current() {
    Vcpu& vcpu = *current_vcpu();
    const LockGuard run{run_lock()};
    vcpu.sched.waiting = vcpu.poll.active && !has_work(vcpu);
    if (vcpu.sched.waiting)
        return request_dispatch(vcpu.sched.pcpu);
    vcpu.poll.active = false;
    clear_poll_timeout(vcpu);
}

void yield_current() {
    if (scheduler::nobody_waits()) // it would only be picked again
        return;
    auto& self = pcpu();
    self.stop_reason = sched::Stop::yielded;
    self.ask(work::dispatch);
}

void pause_vcpu(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    ++vcpu.sched.pause_count;
    update(vcpu, WakeCause::unpause);
}

void unpause_vcpu(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    --vcpu.sched.pause_count;
    update(vcpu, WakeCause::unpause);
}

void reconsider(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    update(vcpu, WakeCause::unpause);
}

void reconsider_all(Domain& domain) {
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
        if (domain.vcpus[i] != nullptr)
            reconsider(*domain.vcpus[i]);
}

void pause_all(Domain& domain) {
    const LockGuard run{run_lock()};
    ++domain.sched.pause_count;
    reconsider_all(domain);
}

void unpause_all(Domain& domain) {
    const LockGuard run{run_lock()};
    --domain.sched.pause_count;
    reconsider_all(domain);
}

void unpause_all(Domain& domain, RealTime now) {
    --domain.sched.pause_count;
    for (auto* vcpu : std::span{domain.vcpus}.first(domain.vcpu_count))
        if (vcpu != nullptr && vcpu->sched.state == RunState::blocked && may_run(*vcpu))
            become_queued(*vcpu, WakeCause::unpause, now);
}

Result<> attach_vcpu(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    BULKHEAD_TRY(scheduler::attach(vcpu));
    reconsider(vcpu);
    return {};
}

Result<> detach_vcpu(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    if (vcpu.sched.state == RunState::running) // it was asked to leave, and will at its pCPU's next chance
        return fail(Error::restart);
    scheduler::detach(vcpu);
    return {};
}

void hold_dispatch(bool held) { dispatch_held = held; }

void give_pcpu_up() {
    auto& self = pcpu();
    static_cast<void>(stop_current(self));
    self.ask(work::dispatch);
}

void request_dispatch(PcpuId id) {
    Pcpu& asked = pcpu(id);
    note_request(asked);
    if (asked.ask(work::dispatch))
        kick(id);
}

void do_what_waits(Pcpu& self) {
    do {
        if (self.is_asked())
            do_work(self);
        if (wants_nmi(*self.current)) [[unlikely]]
            deliver_nmi(*self.current);
        if (wants_upcall(*self.current))
            deliver_event_callback(*self.current);
    } while (self.is_asked()); // a delivery that fails crashes the domain
}

void deliver_upcall(Pcpu& self) {
    deliver_event_callback(*self.current);
    if (self.is_asked()) [[unlikely]]
        do_what_waits(self);
}

} // namespace bulkhead::hv
