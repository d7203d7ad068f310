// Signals an event channel of its own as fast as it can: every send is work for the host and an upcall for
// the guest.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option mark_events{"mark_events", "1", "1000", "events between two marks"};
constexpr Option options_[] = {mark_events};

void run() {
    const auto port = guest::events::bind_ipi();
    if (!port)
        guest::panic("event_storm: no port: {}", port.error());
    guest::events::listen(*port);
    const std::uint64_t step = mark_events.number();
    std::uint64_t done = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i)
            static_cast<void>(guest::events::notify(*port));
        done += step;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=event_storm events={} upcalls={} ns={}\n", done, guest::events::upcalls(),
                 guest::now() - began());
}

constexpr Workload event_storm{Kind::attack, "event_storm", "signals itself in a tight loop", options_, run};
BULKHEAD_WORKLOAD(event_storm)

} // namespace
} // namespace bulkhead::workload
