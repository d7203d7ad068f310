// Sends datagrams as fast as the interface takes them.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/station.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option host{"host", "1", "3", "own address: 10.0.0.HOST"};
constexpr Option peer{"peer", "1", "1", "whom it floods: 10.0.0.PEER"};
constexpr Option bytes{"bytes", "1", "18",
                       "size of a datagram's payload, 8 to 1472; 18 make the smallest packet"};
constexpr Option options_[] = {host, peer, bytes};

void run() {
    if (bytes.number() < 8 || bytes.number() > largest_payload)
        guest::panic("udp_flood: option bytes: write 8 to {}", largest_payload);
    Station station{"udp_flood", host_number(host)};
    if (!station.resolve(host_number(peer), ends()))
        guest::panic("udp_flood: nobody answers at 10.0.0.{}", peer.number());
    guest::mark(guest::Mark::ready);
    std::uint64_t sent = 0;
    while (!over()) {
        while (station.receive())
            station.done();
        while (station.send(sent, static_cast<std::uint32_t>(bytes.number()), discard_port))
            ++sent;
        station.push();
        guest::mark(guest::Mark::operations, sent);
        static_cast<void>(guest::events::wait(station.port(), ends()));
    }
    guest::mark(guest::Mark::finished, sent);
    guest::print("RESULT name=udp_flood sent={} failures={} ns={}\n", sent, station.failures(),
                 guest::now() - began());
}

constexpr Workload flood{Kind::attack, "udp_flood", "sends UDP datagrams without a pause", options_, run};
BULKHEAD_WORKLOAD(flood)

} // namespace
} // namespace bulkhead::workload
