// Events of the guest to itself, and its timer.
#include "guest/runtime/events.hpp"

#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/start.hpp"
#include "workloads/primitives/entries.hpp"
#include "workloads/primitives/meter.hpp"

namespace bulkhead::primitives {
namespace {

using namespace guest;

constexpr Nanos ahead = milliseconds(1);

Port own_port() {
    const auto port = events::bind_ipi();
    if (!port)
        panic("no port");
    return *port;
}

xen_ulong_t& pending_word(Port port) {
    return shared().evtchn_pending[port.value() / (8 * sizeof(xen_ulong_t))];
}

void clear_pending(Port port) {
    auto& here = shared().vcpu_info[0];
    here.evtchn_upcall_pending = 0;
    here.evtchn_pending_sel = 0;
    pending_word(port) = 0;
}

// From the deadline until the guest knows: `wait` returns when it does.
void measure_lateness(std::string_view row, auto&& wait) {
    Samples taken{};
    for (auto& sample : taken) {
        const GuestTime deadline = now() + ahead;
        wait(deadline);
        sample = static_cast<std::uint64_t>((now() - deadline).count());
    }
    report(row, median(taken));
}

} // namespace

void measure_events() {
    const Port port = own_port();
    const auto send = [=] { static_cast<void>(events::notify(port)); };
    const auto clear = [=] { clear_pending(port); };
    events::mask(port);
    measure("send_masked_port", clear, send);
    events::unmask(port);
    {
        const events::Masked masked;
        clear();
        measure("send_masked_upcall", clear, send);
        measure("send_pending", send);
        clear();
    }
    primitives_pending_word = &pending_word(port);
    primitives_vcpu_info = &shared().vcpu_info[0];
    set_entries(primitives_event, entry_syscall);
    measure("send_taken", send);
    set_entries(entry_event, entry_syscall);
    static_cast<void>(events::close(port));
}

void measure_timers() {
    measure("set_timer", [] { static_cast<void>(hypercall::set_timer(now() + ahead)); });
    measure("stop_timer", [] { static_cast<void>(hypercall::set_timer(GuestTime{})); });
    measure_lateness("timer_while_running", [](GuestTime deadline) {
        const auto before = events::upcalls();
        static_cast<void>(hypercall::set_timer(deadline));
        while (__atomic_load_n(&shared().vcpu_info[0].evtchn_upcall_pending, __ATOMIC_RELAXED) == 0 &&
               events::upcalls() == before)
            ;
    });
    measure_lateness("timer_while_blocked", [](GuestTime deadline) { events::wait_any(deadline); });
    const Port port = own_port();
    events::listen(port);
    measure("block_with_event", [=] {
        const events::Masked masked;
        static_cast<void>(events::notify(port));
        block();
    });
    static_cast<void>(events::close(port));
}

} // namespace bulkhead::primitives
