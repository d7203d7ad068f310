#include "hv/dispatch/timers.hpp"

#include "hv/arch/apic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/late.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/dispatch/service.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::hv {

namespace {

constexpr Nanos housekeeping_period = milliseconds(10);
constexpr Nanos between_steps = microseconds(20); // of housekeeping that has more to do
constexpr Nanos put_off = microseconds(100);      // at a time,
constexpr Nanos most_put_off = milliseconds(5);   // in all
struct Housekeeping {
    Timer timer;
    host::TimerLine line;
    RealTime next; // visit of the period, whatever is to be done before
};
constinit Late<Housekeeping> housekeeping;
bool (*housekeeping_visit)(RealTime now) = nullptr;

// This pCPU's alarm is that of the modelled devices. The run lock is held.
constinit Pcpu* device_pcpu = nullptr;
// Of devices that are not modelled.
struct PollTimer {
    Timer timer;
    host::TimerLine lines[landmark::max_pcpus];
};
constinit Late<PollTimer> poll;
void (*device_serve)(RealTime now) = nullptr;

Vcpu& owner(Timer& timer) { return *static_cast<Vcpu*>(timer.owner); }

void record_fire(const Vcpu& vcpu, RealTime deadline, RealTime now) {
    trace_event(trace::Event::timer_fire, vcpu, static_cast<std::uint64_t>(deadline.since_start().count()),
                static_cast<std::uint64_t>((now - deadline).count()));
}

void arm(Timer& timer, RealTime deadline) {
    auto& self = pcpu();
    self.timers.arm(timer, owner(timer).domain->timer_lines[self.id.value()], deadline);
    self.ask(work::new_timer);
}

void fire_oneshot(Timer& timer, RealTime now) {
    auto& vcpu = owner(timer);
    // In mode virtual the clock stood still while the vCPU waited: not yet due by the guest's own time.
    if (const auto due = real_deadline(vcpu, vcpu.timers.oneshot_deadline, now); due > now) {
        if (clock_stands_still(vcpu))
            vcpu.timers.oneshot_waits = true; // whatever is left would be left again and again
        else
            arm(timer, due);
        return;
    }
    record_fire(vcpu, timer.deadline, now);
    raise_virq(vcpu, VIRQ_TIMER);
}

// One event for all ticks up to now; the next one stays on the grid.
void tick(Vcpu& vcpu, RealTime now) {
    auto& timers = vcpu.timers;
    record_fire(vcpu, timers.next_tick, now);
    raise_virq(vcpu, VIRQ_TIMER);
    const auto passed = (now - timers.next_tick).count() / timers.period.count();
    timers.next_tick += timers.period * (passed + 1);
}

void fire_periodic(Timer& timer, RealTime now) {
    tick(owner(timer), now);
    arm(timer, owner(timer).timers.next_tick);
}

void fire_poll(Timer& timer, RealTime) {
    auto& vcpu = owner(timer);
    vcpu.poll.active = false;
    wake_vcpu(vcpu, WakeCause::timer);
}

void arm_housekeeping(RealTime deadline) {
    const LockGuard run{run_lock()};
    auto& self = pcpu();
    self.timers.arm(housekeeping->timer, housekeeping->line, deadline);
    self.ask(work::new_timer);
}

// Arms its timer for the next period while the run lock is held, so that it need not wait for it again.
void begin_housekeeping(Pcpu& self, RealTime now) {
    auto& next = housekeeping->next;
    if (next <= now)
        next = std::max(next + housekeeping_period, now);
    self.timers.arm(housekeeping->timer, housekeeping->line, next);
    self.house_waits = true;
}

void do_housekeeping(RealTime now) {
    if (housekeeping_visit(now))
        arm_housekeeping(std::min(housekeeping->next, machine::now() + between_steps));
}

// Housekeeping waits for locks, as a dispatch and another timer do. A section has one of the three, if it
// can.
bool may_put_off_house(const Pcpu& self, bool alone, RealTime now) {
    return (!alone || self.has(work::dispatch)) && now < housekeeping->next + most_put_off;
}

void prepare(Timer& timer, Vcpu& vcpu, void (*fire)(Timer&, RealTime)) {
    timer.owner = &vcpu;
    timer.fire = fire;
}

// The interrupt that began this section was the timer's.
bool entered_for_timer(const Pcpu& self) {
    return self.section_kind == static_cast<std::uint32_t>(landmark::SectionKind::interrupt) &&
           (self.section_number == timer_vector || self.current == nullptr);
}

// Work for `vcpu` while another one holds the pCPU is not that one's. A policy hears of it with the wake, or,
// if the vCPU does not wake now, when it stops next.
void account_for(Pcpu& self, Vcpu& vcpu, bool wakes, Nanos took, RealTime now) {
    self.current->sched.other_work += took;
    if (wakes)
        scheduler::charge(vcpu, took);
    else
        vcpu.timers.owed += took;
    if (self.current->domain != vcpu.domain)
        vcpu.domain->timer_lines[self.id.value()].debt.add(took, scheduler::share(*vcpu.domain), now);
}

// `took` was posted to the owner of the timer that was served last, if there is one: the way to the next
// timer or back to the guest, which belongs to that owner like the timer itself. The run lock is held.
void go_on_with_own_work(Pcpu& self, Nanos took) {
    if (!std::exchange(self.serves_timer, false))
        return;
    if (Vcpu* const owner = std::exchange(self.timer_owner, nullptr))
        account_for(self, *owner, false, took, self.posted);
    else // it is gone
        self.current->sched.other_work += took;
}

void serve(Pcpu& self, Timer& timer, RealTime now, bool entry_too) {
    auto& vcpu = owner(timer);
    // Its timer while it runs: all of this section is its domain's already.
    if (self.current == &vcpu && self.open_entry == vcpu.domain->ledger && !self.serves_timer) [[likely]]
        return timer.fire(timer, now);
    if (entry_too)
        bill_section_to(*vcpu.domain);
    else
        go_on_with_own_work(self, bill_to(vcpu.domain));
    const bool queued = vcpu.sched.state == RunState::queued;
    timer.fire(timer, now);
    const bool foreign = self.current != nullptr && self.current != &vcpu;
    const bool own = self.current == &vcpu;
    const auto took = bill_to(own ? vcpu.service.payer : vcpu.domain);
    self.serves_timer = foreign;
    self.timer_owner = foreign ? &vcpu : nullptr;
    if (foreign)
        account_for(self, vcpu, !queued, took, now);
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
        host::TimerQueue::cancel(*timer);
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        if (auto& each = pcpu(PcpuId{static_cast<std::uint16_t>(i)}); each.timer_owner == &vcpu)
            each.timer_owner = nullptr;
}

void bring_timers(Vcpu& vcpu) {
    const auto* const line = &vcpu.domain->timer_lines[pcpu().id.value()];
    for (Timer* timer : {&vcpu.timers.oneshot, &vcpu.timers.poll})
        if (timer->line != nullptr && timer->line != line)
            arm(*timer, timer->deadline);
}

// A timer whose deadline is past is served before the guest goes on, without an interrupt.
void set_oneshot(Vcpu& vcpu, GuestTime deadline) {
    const LockGuard run{run_lock()};
    vcpu.timers.oneshot_deadline = deadline;
    vcpu.timers.oneshot_waits = false;
    const auto now = machine::now();
    const auto due = real_deadline(vcpu, deadline, now);
    arm(vcpu.timers.oneshot, due);
    if (due <= now)
        pcpu().ask(work::timer);
}

void clear_oneshot(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    vcpu.timers.oneshot_waits = false;
    host::TimerQueue::cancel(vcpu.timers.oneshot);
}

void go_on_with_oneshot(Vcpu& vcpu) {
    if (!vcpu.timers.oneshot_waits)
        return;
    vcpu.timers.oneshot_waits = false;
    arm(vcpu.timers.oneshot, real_deadline(vcpu, vcpu.timers.oneshot_deadline, machine::now()));
}

void set_periodic(Vcpu& vcpu, Nanos length) {
    const LockGuard run{run_lock()};
    auto& timers = vcpu.timers;
    host::TimerQueue::cancel(timers.periodic);
    timers.period = real_length(vcpu, length);
    timers.next_tick = vcpu.sched.online ? machine::now() + timers.period : RealTime::never();
    if (timers.period == Nanos{0} || vcpu.sched.state != RunState::running)
        return;
    if (pcpu().current == &vcpu)
        arm(timers.periodic, timers.next_tick);
    else
        request_dispatch(vcpu.sched.pcpu); // where it starts again
}

void begin_period_anew(Vcpu& vcpu) { vcpu.timers.next_tick = RealTime::never(); }

void start_ticking(Vcpu& vcpu, RealTime now) {
    auto& timers = vcpu.timers;
    if (timers.next_tick == RealTime::never())
        timers.next_tick = now + timers.period;
    else if (timers.next_tick <= now)
        tick(vcpu, now);
    arm(timers.periodic, timers.next_tick);
}

Nanos stop_ticking(Vcpu& vcpu) {
    host::TimerQueue::cancel(vcpu.timers.periodic);
    return std::exchange(vcpu.timers.owed, Nanos{});
}

void set_poll_timeout(Vcpu& vcpu, GuestTime deadline) {
    const LockGuard run{run_lock()};
    arm(vcpu.timers.poll, real_deadline(vcpu, deadline, machine::now()));
}

void clear_poll_timeout(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    host::TimerQueue::cancel(vcpu.timers.poll);
}

void run_timers() {
    auto& self = pcpu();
    bool entry_too = entered_for_timer(self);
    auto now = machine::now();
    if (now >= self.slice_end) {
        self.slice_end = RealTime::never();
        self.stop_reason = sched::Stop::slice_end;
        self.ask(work::dispatch);
        entry_too = false;
    }
    // A pass that begins late serves none: the interrupt that comes at once begins another section.
    for (; self.timers.first() <= now && section_length() < host::longest_timer_pass; now = machine::now()) {
        // Held while a vCPU's timer fires, so that the vCPU stays; given up between two, for others.
        const LockGuard run{run_lock()};
        if (self.timers.alarm() <= now) {
            self.timers.set_alarm(RealTime::never());
            self.device_waits = true;
            self.device_entry = std::exchange(entry_too, false);
            continue;
        }
        auto* const timer = static_cast<Timer*>(self.timers.take_due(now));
        if (timer == nullptr) // its domain is in debt, or another pCPU has cancelled it
            continue;
        if (timer == &housekeeping->timer) {
            if (!may_put_off_house(self, std::exchange(entry_too, false), now)) {
                begin_housekeeping(self, now);
                break;
            }
            self.timers.arm(*timer, housekeeping->line, now + put_off);
        } else if (timer->owner == nullptr) { // the poll timer
            self.device_waits = true;
            self.device_entry = std::exchange(entry_too, false);
        } else
            serve(self, *timer, now, std::exchange(entry_too, false));
    }
}

void end_timer_work() {
    const LockGuard run{run_lock()};
    auto& self = pcpu();
    go_on_with_own_work(self, bill_to(self.current->service.payer));
}

void end_timer_work_in_dispatch() {
    auto& self = pcpu();
    go_on_with_own_work(self, self.stop_reason == sched::Stop::preempted
                                  ? post_ledger()
                                  : bill_to(self.current->service.payer));
}

void keep_house_if_due() {
    auto& self = pcpu();
    if (!self.house_waits && !self.device_waits) [[likely]]
        return;
    // The way here is the device's, if its timer led here: it is billed to whom the device works for first.
    auto begun = std::max(self.posted, machine::time_of(self.section_start));
    if (self.serves_timer) {
        const LockGuard run{run_lock()};
        go_on_with_own_work(self, bill_to(nullptr));
        begun = self.posted;
    } else if (!self.device_entry) {
        bill_to(nullptr);
        begun = self.posted;
    }
    self.device_entry = false;
    if (std::exchange(self.device_waits, false))
        device_serve(machine::now());
    if (std::exchange(self.house_waits, false)) {
        bill_to(nullptr);
        do_housekeeping(machine::now());
    }
    if (self.current == nullptr) // the way back to idling is of what was done last
        return;
    bill_to(self.current->service.payer);
    self.current->sched.other_work += self.posted - begun;
}

void start_device(void (*serve)(RealTime now)) {
    device_serve = serve;
    device_pcpu = &pcpu();
    poll.make();
}

void device_works_for(Domain* payer) {
    static constinit Domain* before = nullptr; // the drive lock keeps it
    if (payer == before)
        return;
    if (before == nullptr) {
        bill_section_to(*payer);
    } else {
        if (before != nullptr)
            charge_domain(*before, post_ledger());
        if (payer != nullptr)
            bill_to(payer);
    }
    before = payer;
}

// An interrupt that comes too early finds nothing due.
void set_device_timer(RealTime deadline) {
    const LockGuard run{run_lock()};
    auto& self = pcpu();
    if (device_pcpu->timers.alarm() == deadline) // on whatever pCPU it is
        return;
    if (device_pcpu != &self) {
        device_pcpu->timers.set_alarm(RealTime::never());
        device_pcpu = &self;
    }
    self.timers.set_alarm(deadline);
    if (deadline != RealTime::never())
        self.ask(work::new_timer);
}

void set_poll_timer(RealTime deadline) {
    const LockGuard run{run_lock()};
    auto& self = pcpu();
    if (deadline == RealTime::never())
        return host::TimerQueue::cancel(poll->timer);
    if (poll->timer.line != nullptr && poll->timer.deadline == deadline)
        return;
    self.timers.arm(poll->timer, poll->lines[self.id.value()], deadline);
    self.ask(work::new_timer);
}

void start_housekeeping(bool (*visit)(RealTime now)) {
    housekeeping_visit = visit;
    auto& house = housekeeping.make();
    house.next = machine::now() + housekeeping_period;
    pcpu().timers.arm(house.timer, house.line, house.next);
}

} // namespace bulkhead::hv
