// From a port's buffer into its guest: a packet that has arrived is shown to the policy once the guest has
// given a page for it, and its bytes move when the switch is done with it.
#include "abi/control.hpp"
#include "hv/base/late.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/io/net.hpp"
#include "hv/io/net_capture.hpp"
#include "hv/io/net_port.hpp"
#include "hv/plugin/net_rings.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace bulkhead::hv {

namespace {

using DuePorts = boost::intrusive::set<NetPort, boost::intrusive::constant_time_size<false>>;
constinit Late<DuePorts> due_ports; // whose first packet is on its way and has a page waiting
constinit Late<HeldPackets> delivering;

void free_place(HeldPacket& packet, bool lost) {
    NetPort& port = *packet.port;
    port.held &= ~(std::uint64_t{1} << (&packet - port.buffer));
    port.free |= packet.in;
    machine_switch().release(port.number, packet.from, packet.load(), lost);
    if (lost)
        trace_event(trace::Event::net_drop, *port.guest, port.number, packet.bytes);
}

void wait_no_longer(NetPort& port) {
    if (port.is_due)
        due_ports->erase(due_ports->iterator_to(port));
    port.is_due = false;
}

// Whether a port that waits comes before the same others if it is due at `due`.
bool stays_in_place(NetPort& port, RealTime due) {
    if (due < port.due)
        return false;
    const auto next = std::next(due_ports->iterator_to(port));
    return next == due_ports->end() || due < next->due;
}

// Requests of the rx ring that no packet has yet. A producer that leaves its bounds breaks the interface.
std::uint32_t free_pages(NetPort& port) {
    const RING_IDX produced = std::atomic_ref{port.rx->req_prod}.load(std::memory_order_acquire);
    const RING_IDX given = produced - port.rx_answered;
    if (given > net_slots || given < port.asked) {
        break_port(port);
        return 0;
    }
    return given - port.asked;
}

// Whether the guest has given `pages` more; if not, it is asked to say when it has.
bool has_pages(NetPort& port, std::uint32_t pages) {
    if (free_pages(port) >= pages)
        return true;
    if (port.broken)
        return false;
    std::atomic_ref{port.rx->req_event}.store(port.rx_answered + port.asked + pages,
                                              std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return free_pages(port) >= pages;
}

// Into its places.
void store(NetPort& port, std::uint64_t in, const std::byte* data, std::uint32_t bytes) {
    for (; in != 0; in &= in - 1) {
        const auto part = std::min(bytes, place_bytes);
        std::memcpy(port.place[std::countr_zero(in)], data, part);
        data += part;
        bytes -= part;
    }
}

// The bytes of a held packet from its first on.
class Reader {
  public:
    explicit Reader(const HeldPacket& packet) : port_{*packet.port}, in_{packet.in} {}
    void next(std::byte* to, std::uint32_t bytes) {
        while (bytes > 0) {
            const auto part = std::min(bytes, place_bytes - offset_);
            std::memcpy(to, port_.place[std::countr_zero(in_)] + offset_, part);
            to += part;
            bytes -= part;
            offset_ += part;
            if (offset_ == place_bytes) {
                in_ &= in_ - 1;
                offset_ = 0;
            }
        }
    }

  private:
    const NetPort& port_;
    std::uint64_t in_;
    std::uint32_t offset_ = 0;
};

// The responses to the oldest requests, as they are answered in their order. All of a packet are seen at
// once.
class Responses {
  public:
    explicit Responses(NetPort& port) : port_{port} {}
    [[nodiscard]] netif_rx_request request() const {
        netif_rx_request asked;
        std::memcpy(&asked, &port_.rx->ring[(port_.rx_answered + count_) % net_slots].req, sizeof asked);
        return asked;
    }
    template<class T>
    void put(const T& response) {
        static_assert(sizeof response == sizeof slots_[0]);
        std::memcpy(&slots_[count_++], &response, sizeof response);
    }
    void show() const {
        auto& shared = *port_.rx;
        const RING_IDX before = port_.rx_answered;
        for (std::uint32_t i = 0; i < count_; ++i)
            std::memcpy(&shared.ring[port_.rx_answered++ % net_slots], &slots_[i], sizeof slots_[i]);
        std::atomic_ref{shared.rsp_prod}.store(port_.rx_answered, std::memory_order_release);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const RING_IDX wished = std::atomic_ref{shared.rsp_event}.load(std::memory_order_relaxed);
        if (port_.rx_answered - wished < port_.rx_answered - before)
            raise_hypervisor_port(*port_.guest, port_.event, on_net_event);
    }

  private:
    NetPort& port_;
    std::uint32_t count_ = 0;
    std::uint64_t slots_[most_pieces];
};
static_assert(largest_packet / page_bytes + 2 <= most_pieces);

netif_extra_info extra_of(const Offload& offload) {
    netif_extra_info extra{};
    extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
    extra.u.gso.size = offload.segment;
    extra.u.gso.type = offload.type;
    return extra;
}

// False: a page is being made ready; the same packet again from its first byte, later. A page that cannot be
// written loses the whole packet: its own response says so.
[[nodiscard]] bool deliver(HeldPacket& packet) {
    NetPort& port = *packet.port;
    Responses responses{port};
    Reader reader{packet};
    bool has_failed = false;
    for (std::uint32_t at = 0; at < packet.bytes;) {
        const auto asked = responses.request();
        const auto part = std::min<std::uint32_t>(packet.bytes - at, page_bytes);
        const CopiedPage page{*port.guest, GrantRef{asked.gref}, GrantAccess::write};
        if (page.status() == GrantStatus::restart)
            return false;
        const bool is_fine = page.status() == GrantStatus::okay;
        has_failed |= !is_fine;
        if (!has_failed)
            reader.next(page.data(), part);
        netif_rx_response response{};
        response.id = asked.id;
        response.status = is_fine ? static_cast<std::int16_t>(part) : std::int16_t{NETIF_RSP_ERROR};
        if (at + part < packet.bytes)
            response.flags |= NETRXF_more_data;
        const bool has_extra = at == 0 && packet.offload.segment != 0;
        if (at == 0)
            response.flags |= packet.flags;
        if (has_extra)
            response.flags |= NETRXF_extra_info;
        responses.put(response);
        if (has_extra)
            responses.put(extra_of(packet.offload));
        at += part;
    }
    port.asked -= packet.slots();
    responses.show();
    free_place(packet, has_failed);
    return true;
}

// What the receiver is told of the checksum: the bits have other places there.
std::uint16_t flags_for_receiver(std::uint16_t sent) {
    std::uint16_t flags = 0;
    if ((sent & NETTXF_csum_blank) != 0)
        flags |= NETRXF_csum_blank | NETRXF_data_validated;
    if ((sent & NETTXF_data_validated) != 0)
        flags |= NETRXF_data_validated;
    return flags;
}

// Nobody cuts a packet for those who do not take it as it is. A guest that asked for a filter listens to the
// groups that it has named, and to what is for all.
bool does_take(const NetPort& port, const SentPacket& packet, device::Mac target) {
    const auto needs = packet.offload.segment == 0                       ? 0
                       : packet.offload.type == XEN_NETIF_GSO_TYPE_TCPV6 ? control::net_takes_tcp6
                                                                         : control::net_takes_tcp4;
    const bool takes_size = packet.bytes <= page_bytes || (port.takes & control::net_takes_slots) != 0;
    const bool listens = (port.takes & control::net_takes_its_groups) == 0 || !target.is_group() ||
                         target == device::Mac::all() || port.groups.has(target);
    return takes_size && (port.takes & needs) == needs && listens;
}

// Some that are free; there are enough.
std::uint64_t take_places(NetPort& port, std::uint32_t count) {
    std::uint64_t rest = port.free;
    for (; count > 0; --count)
        rest &= rest - 1;
    const auto taken = port.free & ~rest;
    port.free = rest;
    return taken;
}

} // namespace

void start_arrivals() {
    due_ports.make();
    delivering.make();
}

void bring(NetPort& port, const SentPacket& sent, std::uint32_t from, const std::byte* data) {
    auto& ports = machine_switch();
    const auto load = load_of(sent.bytes, sent.offload);
    const bool is_taken = does_take(port, sent, device::Mac::of(std::span<const std::byte, 6>{data, 6}));
    if (!is_taken)
        ports.drop(port.number, load.wire);
    if (!is_taken || port.held == ~std::uint64_t{0} || !ports.admit(port.number, from, load))
        return trace_event(trace::Event::net_drop, *port.guest, port.number, sent.bytes);
    const auto place = static_cast<std::uint32_t>(std::countr_one(port.held));
    port.held |= std::uint64_t{1} << place;
    auto& packet = port.buffer[place];
    packet.state = HeldPacket::State::coming;
    packet.bytes = sent.bytes;
    packet.flags = flags_for_receiver(sent.flags);
    packet.from = static_cast<std::uint16_t>(from);
    packet.offload = sent.offload;
    packet.arrives = ports.send(port.number, load.wire, sent.passed);
    packet.port = &port;
    packet.in = take_places(port, load.places);
    show_packet(port.number, data, sent.bytes, sent.passed, packet.arrives);
    store(port, packet.in, data, sent.bytes);
    const bool was_empty = port.coming.empty();
    port.coming.push_back(packet);
    if (was_empty)
        look_after_arrivals(port);
}

void look_after_arrivals(NetPort& port) {
    if (port.coming.empty() || !port.receiving.queue.has_room() ||
        !has_pages(port, port.coming.front().slots()))
        return wait_no_longer(port);
    const RealTime due = port.coming.front().arrives;
    if (port.is_due && stays_in_place(port, due)) {
        port.due = due;
        return;
    }
    wait_no_longer(port);
    port.due = due;
    port.is_due = true;
    due_ports->insert(port);
}

RealTime next_arrival() { return due_ports->empty() ? RealTime::never() : due_ports->begin()->due; }

bool announce_one_packet(RealTime now) {
    if (next_arrival() > now)
        return false;
    NetPort& port = *due_ports->begin();
    device_works_for(port.guest);
    auto& packet = port.coming.front();
    port.coming.pop_front();
    packet.state = HeldPacket::State::at_the_switch;
    port.asked += packet.slots();
    const auto wire = packet.load().wire;
    port.line.add(static_cast<std::uint32_t>(&packet - port.buffer), packet.from, wire.packets);
    look_after_arrivals(port); // before the policy hears: what it serves at once needs no look any more
    if (!port.broken)
        net_rings::submit(port.receiving, ringctl::Operation::receive, wire, 0);
    return true;
}

// All packets in line have their pages, and each has brought one request, so one that overtakes others takes
// nothing from them.
void packet_is_admitted(NetPort& port) {
    auto& packet = port.buffer[port.line.next()];
    port.line.take();
    packet.state = HeldPacket::State::delivering;
    delivering->push_back(packet);
}

bool is_packet_to_deliver() { return !delivering->empty(); }

void deliver_one_packet() {
    auto& packet = delivering->front();
    NetPort& port = *packet.port;
    device_works_for(port.guest);
    delivering->pop_front();
    if (!deliver(packet))
        delivering->push_back(packet);
    else if (!port.is_due)
        look_after_arrivals(port); // there may be room for the next one
}

void drop_held(NetPort& port) {
    wait_no_longer(port);
    port.coming.clear();
    port.line.clear();
    for (auto held = port.held; held != 0; held &= held - 1)
        if (auto& packet = port.buffer[std::countr_zero(held)]; packet.is_linked())
            delivering->erase(delivering->iterator_to(packet));
    port.held = 0;
    port.free = ~std::uint64_t{0};
    port.asked = 0;
    machine_switch().empty(port.number);
}

} // namespace bulkhead::hv
