// The smallest guest of 32 bits: greets, waits for five events of its timer, and yields before each.
#include "guest/pae/kernel.hpp"

namespace bulkhead::guest_pae {

namespace {

constexpr uint64_t period_ns = 10'000'000;
volatile uint32_t ticks = 0;
uint32_t timer_port = 0;

// The clock: since when the pair counts, and how fast.
uint64_t now_ns() {
    const auto& time = shared().vcpu_info[0].time;
    uint32_t version;
    uint64_t ns;
    do {
        version = time.version;
        asm volatile("" ::: "memory");
        uint32_t low, high;
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        auto ticks_since = (uint64_t{high} << 32 | low) - time.tsc_timestamp;
        ticks_since = time.tsc_shift < 0 ? ticks_since >> -time.tsc_shift : ticks_since << time.tsc_shift;
        const uint64_t mul = time.tsc_to_system_mul;
        ns = time.system_time + ((ticks_since >> 32) * mul) + (((ticks_since & 0xffffffff) * mul) >> 32);
        asm volatile("" ::: "memory");
    } while (version != time.version || (version & 1) != 0);
    return ns;
}

void take_events() {
    auto& vcpu = shared().vcpu_info[0];
    vcpu.evtchn_upcall_pending = 0;
    const auto selected = __atomic_exchange_n(&vcpu.evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (uint32_t word = 0; word < 32; ++word) {
        if ((selected >> word & 1) == 0)
            continue;
        const auto pending = __atomic_exchange_n(&shared().evtchn_pending[word], 0, __ATOMIC_SEQ_CST);
        if ((pending >> timer_port % 32 & 1) != 0 && word == timer_port / 32)
            ticks = ticks + 1;
    }
}

} // namespace

void on_trap(Frame& frame) {
    if (frame.vector == event_vector)
        return take_events();
    say("an unexpected trap:", frame.vector);
    shut_down(SHUTDOWN_crash);
}

void run(const start_info& info) {
    say("hello from a kernel in ring 1");
    say(info.magic);
    uint32_t code;
    asm("mov %%cs, %0" : "=r"(code));
    say("its ring:", code & 3);
    evtchn_bind_virq bind{VIRQ_TIMER, 0, 0};
    if (hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, address(&bind)) != 0)
        return say("no timer");
    timer_port = bind.port;
    __atomic_fetch_and(&shared().evtchn_mask[timer_port / 32], ~(1UL << timer_port % 32), __ATOMIC_SEQ_CST);
    shared().vcpu_info[0].evtchn_upcall_mask = 0;
    const auto begun = now_ns();
    for (uint32_t i = 1; i <= 5; ++i) {
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield);
        const auto deadline = begun + i * period_ns;
        hypercall(__HYPERVISOR_set_timer_op, static_cast<uint32_t>(deadline),
                  static_cast<uint32_t>(deadline >> 32));
        while (ticks < i)
            hypercall(__HYPERVISOR_sched_op, SCHEDOP_block);
        if (now_ns() < deadline)
            return say("a timer came too early");
        say("tick", i);
    }
    say("bye");
}

} // namespace bulkhead::guest_pae
