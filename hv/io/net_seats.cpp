#include "hv/io/net_seats.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/base/late.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/net.hpp"
#include "hv/io/ring_memory.hpp"

#include <array>
#include <new>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t port_pages = (sizeof(NetPort) + page_bytes - 1) / page_bytes;
static_assert(port_pages <= most_ring_pages && port_pages * page_bytes <= layout::net_port_stride);

constinit std::array<NetPort*, device::Switch::max_ports> all_ports{};
constinit std::uint32_t next_turn = 0; // of those with packets that are left
constinit std::uint32_t ports_with_more = 0;
constinit Late<RingTenants> tenants;
constinit Late<device::Switch> the_switch;

std::uint64_t address_of(std::uint32_t number) {
    return layout::net_ports + number * layout::net_port_stride;
}

} // namespace

void start_switch(const device::SwitchModel& model) {
    tenants.make();
    the_switch.make(model);
    // The first call for an interface is short, too.
    if (!reserve_hypervisor(layout::net_ports, layout::net_port_stride))
        machine::out_of_memory(
            "no memory for the tables of network interfaces: give the machine more (--mem)");
}

bool add_interface(std::uint32_t network, device::Mac mac) { return the_switch->add_port(network, mac); }
device::Switch& machine_switch() { return *the_switch; }

// Its queues' numbers are two of the policy's rings.
Result<NetPort*> make_port(Domain& domain, std::uint32_t number, std::uint16_t group,
                           const std::int64_t* values) {
    RingTenant* const tenant = domain.net_ports != nullptr ? domain.net_ports->sending.domain
                                                           : tenants->place_for(domain, group, values);
    if (tenant == nullptr)
        return fail(Error::no_space);
    BULKHEAD_TRY(take_ring_memory(domain, address_of(number), port_pages));
    auto& port = *::new (reinterpret_cast<void*>(address_of(number))) NetPort;
    port.number = number;
    port.guest = &domain;
    std::uint32_t direction = 0;
    for (NetQueue* queue : {&port.sending, &port.receiving}) {
        queue->queue.number = 2 * number + direction++;
        queue->domain = tenant;
        queue->port = &port;
    }
    ++tenant->rings;
    all_ports[number] = &port;
    return &port;
}

void free_port(NetPort& port) {
    Domain& domain = *port.guest;
    const auto number = port.number;
    note_packets_left(port, false);
    --port.sending.domain->rings;
    all_ports[number] = nullptr;
    port.~NetPort();
    return_ring_memory(domain, address_of(number), port_pages);
}

NetPort* net_port(std::uint32_t number) { return number < all_ports.size() ? all_ports[number] : nullptr; }

NetQueue* queue_by_number(std::uint32_t number) {
    NetPort* const port = net_port(number / 2);
    return port == nullptr ? nullptr : number % 2 == 0 ? &port->sending : &port->receiving;
}

void note_packets_left(NetPort& port, bool left) {
    if (port.has_more != left)
        ports_with_more += left ? 1U : ~0U;
    port.has_more = left;
}

bool are_packets_left() { return ports_with_more > 0; }

NetPort* port_with_packets_left() {
    if (!are_packets_left())
        return nullptr;
    const auto ports = the_switch->ports();
    for (std::uint32_t i = 0; i < ports; ++i) {
        next_turn = next_turn + 1 < ports ? next_turn + 1 : 0;
        if (NetPort* const port = all_ports[next_turn]; port != nullptr && port->has_more)
            return port;
    }
    return nullptr;
}

} // namespace bulkhead::hv
