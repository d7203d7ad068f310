#include "hv/io/uplink.hpp"

#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/net.hpp"
#include "hv/io/virtio_net.hpp"
#include "hv/mm/frame.hpp"
#include "hv/trace/trace.hpp"

#include <new>

namespace bulkhead::hv::uplink {

namespace {

constexpr Nanos between_looks = microseconds(100);

// It lies in frames of its own, which only a machine with an uplink sets aside.
struct Ground {
    VirtioNet device;
    std::uint32_t port;  // of the switch
    RealTime looks_at{}; // for the next packet
    std::uint32_t payer = 0;
    // The packet at hand, as far as it is passed on.
    std::span<const std::byte> bytes{};
    SentPacket packet{};
    std::uint32_t to = 0; // a port, or which one of all is next
    bool to_all = false;
};
constinit Ground* ground = nullptr;

device::Mac mac_at(std::size_t offset) {
    return device::Mac::of(std::span<const std::byte, 6>{ground->bytes.data() + offset, 6});
}

// Those of the network pay in turns for a look; nullptr if nobody is connected.
NetPort* next_payer() {
    const auto& ports = machine_switch();
    for (std::uint32_t i = 0; i < ports.ports(); ++i) {
        ground->payer = ground->payer + 1 < ports.ports() ? ground->payer + 1 : 0;
        if (NetPort* const port = net_port(ground->payer);
            port != nullptr && ports.are_connected(ground->port, ground->payer))
            return port;
    }
    return nullptr;
}

[[nodiscard]] bool look(RealTime now) {
    if (now < ground->looks_at)
        return false;
    NetPort* const payer = next_payer();
    if (payer != nullptr) {
        device_works_for(payer->guest);
        ground->bytes = ground->device.receive();
    }
    if (ground->bytes.empty()) {
        ground->looks_at = now + between_looks;
        return false;
    }
    ground->packet.bytes = static_cast<std::uint16_t>(ground->bytes.size());
    ground->packet.passed = now;
    const auto to = machine_switch().forward(ground->port, mac_at(6), mac_at(0),
                                             wire_of(ground->packet.bytes, ground->packet.offload));
    ground->to_all = to == device::Switch::all_ports;
    ground->to = ground->to_all ? 0 : to;
    return true;
}

void pass_to(std::uint32_t number) {
    NetPort* const port = net_port(number);
    if (port == nullptr || port->broken)
        return;
    device_works_for(port->guest);
    bring(*port, ground->packet, ground->port, ground->bytes.data());
}

// To one port of those that get it. False: that was the last one.
[[nodiscard]] bool pass_on() {
    if (!ground->to_all) {
        pass_to(ground->to);
        return false;
    }
    const auto& ports = machine_switch();
    for (; ground->to < ports.ports(); ++ground->to)
        if (ports.are_connected(ground->port, ground->to)) {
            pass_to(ground->to++);
            return true;
        }
    return false;
}

} // namespace

void start(std::uint32_t slot, std::uint32_t network) {
    const auto frames = frame_table().allocate_contiguous((sizeof(Ground) + page_bytes - 1) / page_bytes);
    constexpr device::Mac own{0x525400123456}; // QEMU's for its first one
    if (!frames)
        machine::out_of_memory("no memory for the network outside: give the machine more (--mem)");
    if (!add_interface(network, own))
        machine::panic("the address of the network outside is taken");
    ground = ::new (machine::frame_data(*frames))
        Ground{.device = VirtioNet::start(slot), .port = machine_switch().ports() - 1};
}

bool is_running() { return ground != nullptr; }

void send(std::uint32_t port, const SentPacket& packet, const std::byte* data) {
    if (ground == nullptr || port != ground->port)
        return;
    const bool is_blank = (packet.flags & NETTXF_csum_blank) != 0;
    if (packet.offload.segment != 0 || !ground->device.send({data, packet.bytes}, is_blank)) {
        machine_switch().drop(port, wire_of(packet.bytes, packet.offload));
        trace_event(trace::Event::net_drop, *packet.port->guest, port, packet.bytes);
    }
}

bool step(RealTime now) {
    if (ground->bytes.empty() && !look(now))
        return false;
    if (!pass_on()) {
        ground->bytes = {};
        ground->device.done();
    }
    return true;
}

RealTime next_work() { return ground->bytes.empty() ? ground->looks_at : machine::now(); }

} // namespace bulkhead::hv::uplink
