// The primitives image: what each service of the hypervisor costs a guest, in ticks. It uses the Xen ABI
// alone, so that the same file measures every hypervisor that speaks it, as its first domain or as a later
// one.
#include "guest/runtime/options.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/start.hpp"
#include "workloads/primitives/meter.hpp"

namespace bulkhead::primitives {
namespace {

// A guest beside another one that yields too: each yield is two switches.
void measure_switches() { measure("two_switches_by_yield", guest::yield); }

void measure_all() {
    measure_calls();
    measure_descriptors();
    measure_mapping();
    measure_tables();
    measure_reservation();
    measure_grants();
    measure_events();
    measure_timers();
    measure_emulation();
    measure_traps();
}

} // namespace
} // namespace bulkhead::primitives

namespace bulkhead::guest {

void guest_main() {
    print("primitives: on {}\n", hypervisor_version());
    primitives::fence();
    const auto part = options().text("part").value_or("all");
    if (part == "switches")
        primitives::measure_switches();
    else if (part == "calls")
        primitives::measure_calls();
    else if (part == "block")
        primitives::measure_block();
    else if (part == "send")
        primitives::measure_sending();
    else if (part == "receive")
        primitives::measure_receiving();
    else
        primitives::measure_all();
    shutdown(Shutdown::poweroff);
}

} // namespace bulkhead::guest
