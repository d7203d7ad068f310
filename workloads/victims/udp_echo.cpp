// The server of the network's request/response victim: sends each datagram back after a little work,
// except those for the port `discard`. Also answers ping.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/station.hpp"
#include "workloads/work.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option host{"host", "1", "1", "own address: 10.0.0.HOST"};
constexpr Option work_us{"work_us", "us", "0", "CPU time for each datagram, in units of 1,000 instructions"};
constexpr Option options_[] = {host, work_us};

void run() {
    Station station{"udp_echo", host_number(host)};
    std::uint64_t served = 0;
    guest::mark(guest::Mark::ready);
    while (!over()) {
        while (const auto datagram = station.receive()) {
            guest::mark(guest::Mark::operations, ++served);
            for (std::uint64_t i = 0; i < work_us.number(); ++i)
                operation(); // 1,000 instructions
            if (datagram->target == discard_port)
                station.done();
            else
                station.send_back();
        }
        station.push();
        static_cast<void>(guest::events::wait(station.port(), ends()));
    }
    guest::mark(guest::Mark::finished, served);
    guest::print("RESULT name=udp_echo served={} failures={} ns={}\n", served, station.failures(),
                 guest::now() - began());
}

constexpr Workload echo{Kind::victim, "udp_echo", "sends each UDP datagram back, and answers ping", options_,
                        run};
BULKHEAD_WORKLOAD(echo)

} // namespace
} // namespace bulkhead::workload
