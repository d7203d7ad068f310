// System time from the time record that the hypervisor keeps for each vCPU, and sleeping on the one-shot
// timer.
#include "guest/runtime/clock.hpp"

#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/internal.hpp"

namespace bulkhead::guest {
namespace {

alignas(64) constinit vcpu_runstate_info runstate{};
constinit bool have_runstate = false;

// a * b / 2^32 in 128 bits.
std::uint64_t multiply_shift(std::uint64_t a, std::uint64_t b) {
#ifdef __i386__ // `b` has 32 bits
    return (a >> 32) * b + ((a & 0xffffffff) * b >> 32);
#else
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    asm("mulq %[b]" : "=a"(low), "=d"(high) : "a"(a), [b] "r"(b) : "cc");
    return (high << 32) | (low >> 32);
#endif
}

std::uint64_t elapsed(const volatile vcpu_time_info& time) {
    const std::uint64_t ticks = timestamp() - time.tsc_timestamp;
    const std::int8_t shift = time.tsc_shift;
    return multiply_shift(shift < 0 ? ticks >> -shift : ticks << shift, time.tsc_to_system_mul);
}

// Reads a record that is valid while `version` is even and unchanged.
template<class T, class F>
auto consistent(const volatile T& version, F&& read) {
    for (;;) {
        const T before = version;
        asm volatile("" ::: "memory");
        const auto value = read();
        asm volatile("" ::: "memory");
        if ((before & 1) == 0 && version == before)
            return value;
    }
}

} // namespace

std::uint64_t timestamp() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return std::uint64_t{high} << 32 | low;
}

GuestTime now() {
    const volatile vcpu_time_info& time = shared().vcpu_info[0].time;
    const std::uint64_t value = consistent(time.version, [&] { return time.system_time + elapsed(time); });
    return GuestTime{static_cast<std::int64_t>(value)};
}

Nanos wall_clock() {
    const volatile shared_info& info = shared();
    const std::uint64_t base = consistent(info.wc_version, [&] {
#ifdef __i386__
        const std::uint32_t upper = info.arch.wc_sec_hi;
#else
        const std::uint32_t upper = info.wc_sec_hi;
#endif
        const std::uint64_t seconds = (std::uint64_t{upper} << 32) + info.wc_sec;
        return seconds * 1'000'000'000 + info.wc_nsec;
    });
    return Nanos{static_cast<std::int64_t>(base)} + now().since_start();
}

void sleep_until(GuestTime deadline) {
    const events::Masked guard;
    while (now() < deadline) {
        events::wait_any(deadline);
        __atomic_store_n(&shared().vcpu_info[0].evtchn_upcall_mask, std::uint8_t{1}, __ATOMIC_SEQ_CST);
    }
}

void spin_until(GuestTime deadline) {
    while (now() < deadline)
        asm volatile("pause");
}

Nanos stolen() {
    if (!have_runstate)
        return Nanos{-1};
    const volatile vcpu_runstate_info& area = runstate;
    for (;;) {
        const std::uint64_t entered = area.state_entry_time;
        const std::uint64_t waited = area.time[RUNSTATE_runnable];
        if (area.state_entry_time == entered)
            return Nanos{static_cast<std::int64_t>(waited)};
    }
}

namespace internal {

void start_clock() {
    vcpu_register_runstate_memory_area area{};
    area.addr.v = &runstate;
    have_runstate = hypercall::vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area).has_value();
    // A periodic timer is the hypervisor's default for old guests; this one only uses deadlines.
    static_cast<void>(hypercall::vcpu_op(VCPUOP_stop_periodic_timer, 0, nullptr));
}

void poll_for(Nanos duration) {
    sched_poll poll{};
    poll.timeout = static_cast<std::uint64_t>((now() + duration).since_start().count());
    static_cast<void>(hypercall::sched_op(SCHEDOP_poll, &poll));
}

} // namespace internal
} // namespace bulkhead::guest
