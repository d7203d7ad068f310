// The running half of the machine: who is on which pCPU, until when, and whether the policy may do what it
// did.
#include "tests/policy/machine.hpp"

#include <utility>

namespace bulkhead::policy_test {

using sched::Stop;

void Machine::wake(Thread& thread) {
    thread.woken = true;
    thread.pending = false;
    thread.wake_at = RealTime::never();
    enqueue(thread);
    plugin_.hooks().wake(policy_.at(), view(thread), now_);
    static_cast<void>(plugin_.hooks().place(policy_.at(), view(thread), now_)); // only a hint
}

void Machine::enqueue(Thread& thread) {
    thread.state = State::queued;
    thread.since = now_;
    thread.fresh = true;
}

// queued or running -> blocked, for a reason of the control plane.
void Machine::leave_queue(Thread& thread, Stop why) {
    for (std::size_t i = 0; i < cores_.size(); ++i)
        if (cores_[i].running == &thread) {
            stop(cores_[i], why);
            pick(i);
            return;
        }
    if (thread.state != State::queued)
        return;
    thread.state = State::blocked;
    plugin_.hooks().deschedule(policy_.at(), view(thread), why, Nanos{}, now_);
}

void Machine::stop(Core& core, Stop why) {
    Thread& thread = *core.running;
    const Nanos ran = now_ > core.started ? now_ - core.started : Nanos{};
    core.running = nullptr;
    core.idle_since = now_;
    thread.statistics.ran += ran;
    thread.statistics.preempted += why == Stop::preempted ? 1 : 0;
    thread.used += ran;
    thread.since = now_;
    if (why == Stop::blocked || why == Stop::yielded)
        thread.used = Nanos{};
    if (sched::still_runnable(why))
        enqueue(thread);
    else
        thread.state = State::blocked;
    if (why == Stop::blocked)
        thread.wake_at = std::max(thread.plan.wake, now_);
    plugin_.hooks().deschedule(policy_.at(), view(thread), why, ran, now_);
}

void Machine::pick(std::size_t core) {
    cores_[core].kicked = false;
    if (cores_[core].running != nullptr)
        throw std::logic_error{"the machine picked for a busy pCPU"};
    const sched::Decision decision = plugin_.hooks().pick(policy_.at(), view(core), now_);
    Thread* picked = decision.vcpu == nullptr ? nullptr : find(decision.vcpu);
    check(decision, picked, core);
    cores_[core].look_again = RealTime::never();
    if (picked != nullptr)
        start(core, *picked, decision.slice);
    else if (decision.slice != sched::Decision::until_kicked)
        cores_[core].look_again = now_ + decision.slice;
}

void Machine::check(const sched::Decision& decision, Thread* picked, std::size_t core) const {
    const auto wrong = [&](const char* what) {
        throw Misconduct{"pick on pCPU " + std::to_string(core) + at_now() + ": " + what};
    };
    if (decision.vcpu == nullptr) {
        if (decision.slice < sched::least_slice)
            wrong("idle for less than the least slice");
        return;
    }
    if (picked == nullptr)
        return wrong("not a vCPU, or one that is gone");
    if (picked->state == State::running)
        wrong("runs already");
    if (picked->state == State::blocked)
        wrong("not runnable");
    if (!decision.vcpu->may_run_on(PcpuId{static_cast<std::uint16_t>(core)}))
        wrong("not allowed on this pCPU");
    if (decision.slice < sched::least_slice || decision.slice > sched::longest_slice)
        wrong("slice out of bounds");
}

void Machine::start(std::size_t index, Thread& thread, Nanos slice) {
    Core& core = cores_[index];
    core.idle += now_ - core.idle_since;
    core.running = &thread;
    core.started = now_ + options_.switch_cost;
    switching_ += options_.switch_cost;
    ++switches_;
    thread.state = State::running;
    thread.statistics.longest_wait = std::max(thread.statistics.longest_wait, now_ - thread.since);
    if (thread.woken)
        thread.statistics.latencies.push_back(core.started - thread.since);
    thread.woken = false;
    view(thread).last_pcpu = PcpuId{static_cast<std::uint16_t>(index)};
    thread.plan = thread.behaviour->plan(core.started, thread.used);
    Nanos error{};
    if (const std::int64_t most = options_.timer_error.count(); most > 0)
        error = Nanos{std::uniform_int_distribution<std::int64_t>{-most / 4, most}(random_)};
    const RealTime slice_end = core.started + std::max(slice + error, Nanos{1});
    const RealTime plan_end = core.started + thread.plan.run;
    core.stops = std::min(slice_end, plan_end);
    core.why = slice_end <= plan_end                  ? Stop::slice_end
               : thread.plan.end == Plan::End::blocks ? Stop::blocked
                                                      : Stop::yielded;
}

RealTime Machine::next_event() const {
    RealTime next = RealTime::never();
    for (const Core& core : cores_)
        next = std::min(next, core.running != nullptr ? core.stops : core.look_again);
    for (const auto& [key, thread] : threads_)
        if (!thread.paused)
            next = std::min(next, thread.wake_at);
    return next;
}

// Everything that is due at now_: wakes first, as their interrupts would come first.
void Machine::advance() {
    for (auto& [key, thread] : threads_)
        if (thread.wake_at <= now_ && !thread.paused)
            wake(thread);
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        if (cores_[i].running != nullptr && cores_[i].stops <= now_) {
            stop(cores_[i], cores_[i].why);
            pick(i);
        } else if (cores_[i].running == nullptr && cores_[i].look_again <= now_) {
            pick(i);
        }
    }
}

void Machine::settle() {
    if (!complaint_.empty())
        throw Misconduct{complaint_};
    carry_out_kicks();
    offer_idle_pcpus();
    carry_out_kicks();
    check_work_conservation();
}

void Machine::carry_out_kicks() {
    for (int round = 0; std::ranges::any_of(cores_, &Core::kicked); ++round) {
        if (round > 64)
            throw Misconduct{"kicks never end"};
        for (std::size_t i = 0; i < cores_.size(); ++i) {
            if (!std::exchange(cores_[i].kicked, false))
                continue;
            if (cores_[i].running != nullptr)
                stop(cores_[i], Stop::preempted);
            pick(i);
        }
    }
}

void Machine::offer_idle_pcpus() {
    for (auto& [key, thread] : threads_)
        for (std::size_t i = 0; i < cores_.size() && thread.fresh && thread.state == State::queued; ++i)
            if (cores_[i].running == nullptr &&
                view(thread).may_run_on(PcpuId{static_cast<std::uint16_t>(i)}))
                pick(i);
    for (auto& [key, thread] : threads_)
        thread.fresh = false;
}

// An idle pCPU and a vCPU that waits for it are allowed together only if the vCPU's domain is capped.
void Machine::check_work_conservation() {
    if (plugin_.has(sched::Trait::idles))
        return;
    for (auto& [key, thread] : threads_) {
        if (thread.state != State::queued || guests_.at(key.first).capped)
            continue;
        for (std::size_t i = 0; i < cores_.size(); ++i)
            if (cores_[i].running == nullptr &&
                view(thread).may_run_on(PcpuId{static_cast<std::uint16_t>(i)}))
                throw Misconduct{"pCPU " + std::to_string(i) + " idles" + at_now() + " while vCPU " +
                                 name_of(key) + " waits for it"};
    }
}

} // namespace bulkhead::policy_test
