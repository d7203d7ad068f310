#include "hv/dispatch/timers.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/late.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr Nanos housekeeping_period = milliseconds(10);
constinit Late<Timer> housekeeping;
void (*housekeeping_visit)(RealTime now) = nullptr;

Vcpu& owner(Timer& timer) { return *static_cast<Vcpu*>(timer.owner); }

void record_fire(const Vcpu& vcpu, const Timer& timer, RealTime now) {
    trace_event(trace::Event::timer_fire, vcpu,
                static_cast<std::uint64_t>(timer.deadline.since_start().count()),
                static_cast<std::uint64_t>((now - timer.deadline).count()));
}

void fire_oneshot(Timer& timer, RealTime now) {
    auto& vcpu = owner(timer);
    // In mode virtual the clock stood still while the vCPU waited: not yet due by the guest's own time.
    if (const auto due = real_deadline(vcpu, vcpu.timers.oneshot_deadline, now); due > now) {
        if (clock_stands_still(vcpu))
            vcpu.timers.oneshot_waits = true; // whatever is left would be left again and again
        else
            pcpu().timers.arm(timer, due);
        return;
    }
    record_fire(vcpu, timer, now);
    raise_virq(vcpu, VIRQ_TIMER);
}

void fire_periodic(Timer& timer, RealTime now) {
    auto& vcpu = owner(timer);
    record_fire(vcpu, timer, now);
    raise_virq(vcpu, VIRQ_TIMER);
    pcpu().timers.arm(timer, std::max(timer.deadline + vcpu.timers.period, now));
}

void fire_poll(Timer& timer, RealTime) {
    auto& vcpu = owner(timer);
    vcpu.poll.active = false;
    wake_vcpu(vcpu, WakeCause::timer);
}

void fire_housekeeping(Timer& timer, RealTime now) {
    {
        const LockGuard run{run_lock()};
        pcpu().timers.arm(timer, std::max(timer.deadline + housekeeping_period, now));
    }
    housekeeping_visit(now);
}

void prepare(Timer& timer, Vcpu& vcpu, void (*fire)(Timer&, RealTime)) {
    timer.owner = &vcpu;
    timer.fire = fire;
}

// Work for `vcpu` while another holds the pCPU is not that one's.
void settle_bill(Pcpu& self, Vcpu& vcpu, Nanos amount) {
    if (self.current == nullptr || self.current == &vcpu)
        return;
    self.current->sched.other_work += amount;
    scheduler::charge(vcpu, amount);
}

void fire_for(Pcpu& self, Timer& timer, RealTime now) {
    auto& vcpu = owner(timer);
    bill_to(vcpu.domain);
    timer.fire(timer, now);
    settle_bill(self, vcpu, bill_to(self.current != nullptr ? self.current->service.payer : nullptr));
}

} // namespace

void start_timers(Vcpu& vcpu) {
    prepare(vcpu.timers.oneshot, vcpu, fire_oneshot);
    prepare(vcpu.timers.periodic, vcpu, fire_periodic);
    prepare(vcpu.timers.poll, vcpu, fire_poll);
}

void stop_timers(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    for (Timer* timer : {&vcpu.timers.oneshot, &vcpu.timers.periodic, &vcpu.timers.poll})
        TimerQueue::cancel(*timer);
}

void bring_timers(Vcpu& vcpu) {
    auto& timers = pcpu().timers;
    for (Timer* timer : {&vcpu.timers.oneshot, &vcpu.timers.periodic, &vcpu.timers.poll})
        if (timer->queue != nullptr && timer->queue != &timers)
            timers.arm(*timer, timer->deadline);
}

void set_oneshot(Vcpu& vcpu, GuestTime deadline) {
    const LockGuard run{run_lock()};
    vcpu.timers.oneshot_deadline = deadline;
    vcpu.timers.oneshot_waits = false;
    pcpu().timers.arm(vcpu.timers.oneshot, real_deadline(vcpu, deadline, machine::now()));
}

void clear_oneshot(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    vcpu.timers.oneshot_waits = false;
    TimerQueue::cancel(vcpu.timers.oneshot);
}

void go_on_with_oneshot(Vcpu& vcpu) {
    if (!vcpu.timers.oneshot_waits)
        return;
    vcpu.timers.oneshot_waits = false;
    pcpu().timers.arm(vcpu.timers.oneshot, real_deadline(vcpu, vcpu.timers.oneshot_deadline, machine::now()));
}

void set_periodic(Vcpu& vcpu, Nanos length) {
    const LockGuard run{run_lock()};
    const auto period = real_length(vcpu, length);
    vcpu.timers.period = period;
    auto& timers = pcpu().timers;
    if (period > Nanos{0})
        timers.arm(vcpu.timers.periodic, machine::now() + period);
    else
        TimerQueue::cancel(vcpu.timers.periodic);
}

void set_poll_timeout(Vcpu& vcpu, GuestTime deadline) {
    const LockGuard run{run_lock()};
    pcpu().timers.arm(vcpu.timers.poll, real_deadline(vcpu, deadline, machine::now()));
}

void clear_poll_timeout(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    TimerQueue::cancel(vcpu.timers.poll);
}

void run_timers() {
    auto& self = pcpu();
    if (machine::now() >= self.slice_end) {
        self.slice_end = RealTime::never();
        self.stop_reason = sched::Stop::slice_end;
        self.need_dispatch = true;
    }
    while (self.timers.first() <= machine::now()) {
        // Held while a vCPU's timer fires, so that the vCPU stays; given up between two, for others.
        const LockGuard run{run_lock()};
        const auto now = machine::now();
        Timer* timer = self.timers.take_due(now);
        if (timer == nullptr) // another pCPU has cancelled it
            return;
        if (timer->owner != nullptr)
            fire_for(self, *timer, now);
        else
            self.house_waits = true;
    }
}

void keep_house_if_due() {
    auto& self = pcpu();
    if (!self.house_waits) [[likely]]
        return;
    self.house_waits = false;
    bill_to(nullptr);
    fire_housekeeping(*housekeeping, machine::now());
    const auto took = bill_to(self.current != nullptr ? self.current->service.payer : nullptr);
    if (self.current != nullptr)
        self.current->sched.other_work += took;
}

void start_housekeeping(void (*visit)(RealTime now)) {
    housekeeping_visit = visit;
    pcpu().timers.arm(housekeeping.make(), machine::now() + housekeeping_period);
}

} // namespace bulkhead::hv
