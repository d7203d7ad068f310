// How interfaces come and go.
#include "hv/io/net.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/io/net_port.hpp"
#include "hv/io/net_seats.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/net_rings.hpp"

namespace bulkhead::hv {

namespace {

Result<> status_as_result(GrantStatus status) {
    if (status == GrantStatus::okay)
        return {};
    return fail(status == GrantStatus::restart ? Error::restart : Error::invalid);
}

// The shared pages and the port; on failure none is held.
Result<> connect_to_guest(NetPort& port, const NetConnection& connection) {
    GrantedPage tx{*port.guest, connection.tx, GrantAccess::write};
    BULKHEAD_TRY(status_as_result(tx.status()));
    GrantedPage rx{*port.guest, connection.rx, GrantAccess::write};
    BULKHEAD_TRY(status_as_result(rx.status()));
    BULKHEAD_TRY(take_waiting_port(*port.guest, connection.event, back_end_domain, on_net_event));
    port.event = connection.event;
    port.takes = connection.takes;
    port.tx_frame = tx.keep();
    port.rx_frame = rx.keep();
    port.tx = machine::frame_as<netif_tx_sring>(port.tx_frame);
    port.rx = machine::frame_as<netif_rx_sring>(port.rx_frame);
    port.tx_taken = port.tx_answered = std::atomic_ref{port.tx->rsp_prod}.load(std::memory_order_relaxed);
    port.rx_answered = std::atomic_ref{port.rx->rsp_prod}.load(std::memory_order_relaxed);
    return {};
}

void part_from_guest(NetPort& port) {
    release_hypervisor_port(*port.guest, port.event, back_end_domain, on_net_event);
    put_data(port.tx_frame, true);
    put_data(port.rx_frame, true);
}

void link(NetPort& port) {
    port.next = port.guest->net_ports;
    port.guest->net_ports = &port;
}

void unlink(NetPort& port) {
    NetPort** place = &port.guest->net_ports;
    while (*place != &port)
        place = &(*place)->next;
    *place = port.next;
}

bool open_queues(NetPort& port) {
    if (!net_rings::open(port.sending))
        return false;
    if (net_rings::open(port.receiving))
        return true;
    net_rings::close(port.sending);
    return false;
}

void close_queues(NetPort& port) {
    for (NetQueue* queue : {&port.sending, &port.receiving})
        if (net_rings::is_open(*queue))
            net_rings::close(*queue);
}

// Answers restart while the switch still has a packet of the interface. Nothing more comes meanwhile, as if
// the guest had broken it.
Result<> disconnect(NetPort& port) {
    break_port(port);
    if (port.sending.queue.used > 0 || port.receiving.queue.used > 0)
        return fail(Error::restart);
    part_from_guest(port);
    unlink(port);
    free_port(port);
    return {};
}

} // namespace

void break_port(NetPort& port) {
    port.broken = true;
    note_packets_left(port, false);
    drop_passing(port);
    drop_held(port);
    close_queues(port);
}

Result<> connect_interface(Domain& domain, const NetConnection& connection) {
    const LockGuard drive_held{drive_lock()};
    if (!net_rings::is_running() || connection.interface >= machine_switch().ports())
        return fail(Error::no_entry);
    const auto number = static_cast<std::uint32_t>(connection.interface);
    if (net_port(number) != nullptr)
        return fail(Error::busy);
    if (domain.life == control::Life::dying)
        return fail(Error::no_domain);
    // restart leaves what was made so far
    const auto made = make_port(domain, number, connection.group, connection.values);
    if (!made)
        return fail(made.error());
    NetPort& port = **made;
    if (const auto connected = connect_to_guest(port, connection); !connected) {
        free_port(port);
        return connected;
    }
    if (!open_queues(port)) {
        part_from_guest(port);
        free_port(port);
        return fail(Error::no_memory);
    }
    link(port);
    note_packets_left(port, true); // taken in a section of their own
    devices::set_timer();
    return {};
}

Result<> disconnect_interface(Domain& domain, std::uint64_t interface) {
    const LockGuard drive_held{drive_lock()};
    for (NetPort* port = domain.net_ports; port != nullptr; port = port->next)
        if (port->number == interface)
            return disconnect(*port);
    return fail(Error::no_entry);
}

Result<> disconnect_all_interfaces(Domain& domain) {
    const LockGuard drive_held{drive_lock()};
    while (domain.net_ports != nullptr)
        BULKHEAD_TRY(disconnect(*domain.net_ports));
    return {};
}

void net_weight_changed(const Domain& domain) {
    const LockGuard drive_held{drive_lock()};
    if (domain.net_ports == nullptr)
        return;
    RingTenant& tenant = *domain.net_ports->sending.domain;
    tenant.io.weight = domain.sched.weight;
    net_rings::tune(tenant);
    devices::set_timer();
}

void net_values_changed(const Domain& domain, const plugin::ValueChanges& changes) {
    if (domain.net_ports == nullptr)
        return;
    static_cast<void>(net_rings::change(*domain.net_ports->sending.domain, changes));
    devices::set_timer();
}

bool take_left_packets() {
    NetPort* const port = port_with_packets_left();
    if (port == nullptr)
        return false;
    device_works_for(port->guest);
    take_packets(*port);
    return true;
}

} // namespace bulkhead::hv
