// See net.hpp.
#include "guest/runtime/net.hpp"

#include "guest/runtime/device_paths.hpp"
#include "guest/runtime/events.hpp"

#include <atomic>
#include <bit>

extern "C" {
#include <xen/io/xenbus.h>
}

namespace bulkhead::guest::net_device {
namespace {

constexpr DomainId back_end{0};
constexpr std::uint16_t first_test_id = pages; // ids from there on are those of put()

std::byte digit(char c) { return static_cast<std::byte>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

// "00:16:3e:00:00:01".
Result<Mac> read_mac(DevicePaths& paths) {
    const auto text = xenstore::read(paths.own("mac"));
    if (!text || text->size() != 17)
        return std::unexpected{text ? Error::invalid : text.error()};
    Mac mac;
    for (std::size_t i = 0; i < mac.size(); ++i)
        mac[i] = digit((*text)[3 * i]) << 4 | digit((*text)[3 * i + 1]);
    return mac;
}

template<class Ring>
Result<GrantRef> make_ring(Ring*& ring, RING_IDX first) {
    Page* const page = allocate_pages();
    ring = reinterpret_cast<Ring*>(page);
    ring->req_prod = ring->rsp_prod = first;
    ring->req_event = ring->rsp_event = first + 1;
    return grants::lend(page, back_end);
}

Status lend_all(Page*& first, std::array<GrantRef, pages>& refs, grants::Access access) {
    first = allocate_pages(pages);
    for (std::uint32_t i = 0; i < pages; ++i) {
        const auto ref = grants::lend(first + i, back_end, access);
        if (!ref)
            return std::unexpected{ref.error()};
        refs[i] = *ref;
    }
    return {};
}

// Whether the peer wants to be told that the producer went from `before` to `after`.
template<class Ring>
bool show(Ring& ring, RING_IDX before, RING_IDX after) {
    std::atomic_ref{ring.req_prod}.store(after, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return after - std::atomic_ref{ring.req_event}.load(std::memory_order_relaxed) < after - before;
}

// Whether there is an answer; if not, the peer is asked to tell of the next one.
template<class Ring>
bool has_answer(Ring& ring, RING_IDX consumed) {
    if (std::atomic_ref{ring.rsp_prod}.load(std::memory_order_acquire) != consumed)
        return true;
    std::atomic_ref{ring.rsp_event}.store(consumed + 1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return std::atomic_ref{ring.rsp_prod}.load(std::memory_order_acquire) != consumed;
}

} // namespace

Result<Front> Front::connect(const Setup& setup) {
    Front front;
    DevicePaths paths{"vif", setup.index};
    front.index_ = setup.index;
    front.takes_large_ = setup.takes_large;
    front.filters_groups_ = setup.filters_groups;
    if (const auto ready = paths.await(XenbusStateInitWait); !ready)
        return std::unexpected{ready.error()};
    const auto mac = read_mac(paths);
    const auto tx = make_ring(front.tx_, setup.first), rx = make_ring(front.rx_, setup.first);
    const auto port = events::allocate_unbound(back_end);
    if (!mac || !tx || !rx || !port)
        return std::unexpected{!mac ? mac.error() : !tx ? tx.error() : !rx ? rx.error() : port.error()};
    front.mac_ = *mac;
    front.tx_ref_ = *tx;
    front.rx_ref_ = *rx;
    front.port_ = *port;
    front.produced_ = front.shown_ = front.consumed_ = front.given_ = front.received_ = setup.first;
    events::listen(front.port_);
    for (const auto& lent : {lend_all(front.tx_pages_, front.tx_refs_, grants::Access::read_only),
                             lend_all(front.rx_pages_, front.rx_refs_, grants::Access::read_write)})
        if (!lent)
            return std::unexpected{lent.error()};
    for (std::uint32_t i = 0; i < setup.given; ++i)
        front.done();
    if (const auto announced = front.announce(); !announced)
        return std::unexpected{announced.error()};
    if (const auto connected = paths.await(XenbusStateConnected); !connected)
        return std::unexpected{connected.error()};
    return front;
}

Status Front::announce() {
    DevicePaths paths{"vif", index_};
    for (const auto& written :
         {xenstore::write_number(paths.own("tx-ring-ref"), tx_ref_.value()),
          xenstore::write_number(paths.own("rx-ring-ref"), rx_ref_.value()),
          xenstore::write_number(paths.own("event-channel"), port_.value()),
          xenstore::write_number(paths.own("request-rx-copy"), 1),
          xenstore::write_number(paths.own("feature-sg"), takes_large_),
          xenstore::write_number(paths.own("feature-gso-tcpv4"), takes_large_),
          xenstore::write_number(paths.own("feature-gso-tcpv6"), takes_large_),
          xenstore::write_number(paths.own("request-multicast-control"), filters_groups_),
          xenstore::write_number(paths.own("state"), XenbusStateConnected)})
        if (!written)
            return written;
    return {};
}

Status Front::disconnect() {
    DevicePaths paths{"vif", index_};
    for (const auto state : {XenbusStateClosing, XenbusStateClosed}) {
        if (const auto written = xenstore::write_number(paths.own("state"), state); !written)
            return written;
        if (const auto done = paths.await(state); !done)
            return done;
    }
    for (const auto* refs : {&tx_refs_, &rx_refs_})
        for (const auto ref : *refs)
            static_cast<void>(grants::end(ref));
    static_cast<void>(grants::end(tx_ref_));
    static_cast<void>(grants::end(rx_ref_));
    static_cast<void>(events::close(port_));
    free_pages(tx_pages_, pages);
    free_pages(rx_pages_, pages);
    free_pages(reinterpret_cast<Page*>(tx_));
    free_pages(reinterpret_cast<Page*>(rx_));
    return xenstore::write_number(paths.own("state"), XenbusStateInitialising);
}

void Front::take_answers() {
    while (std::atomic_ref{tx_->rsp_prod}.load(std::memory_order_acquire) != consumed_) {
        const auto answer = tx_->ring[consumed_++ % slots].rsp;
        if (answer.id < pages)
            free_ |= std::uint64_t{1} << answer.id;
        failures_ += answer.status == NETIF_RSP_ERROR ? 1U : 0U;
    }
}

std::span<std::byte> Front::room() {
    if (free_ == 0)
        take_answers();
    if (free_ == 0 && has_answer(*tx_, consumed_))
        take_answers();
    if (free_ == 0)
        return {};
    return tx_pages_[std::countr_zero(free_)].bytes;
}

void Front::send(std::uint32_t bytes, std::uint16_t flags) {
    const auto number = static_cast<std::uint32_t>(std::countr_zero(free_));
    free_ &= free_ - 1;
    netif_tx_request sent = request(number, bytes);
    sent.id = static_cast<std::uint16_t>(number);
    sent.flags = flags;
    put(sent);
}

void Front::push() {
    const RING_IDX before = shown_;
    shown_ = produced_;
    if (before != shown_ && show(*tx_, before, shown_))
        static_cast<void>(events::notify(port_));
}

std::optional<Front::Packet> Front::receive() {
    while (has_answer(*rx_, received_)) {
        const auto answer = rx_->ring[received_ % slots].rsp;
        const auto& page = rx_pages_[received_++ % pages];
        Packet packet{.bytes = {}, .flags = answer.flags};
        if ((answer.flags & NETRXF_extra_info) != 0) {
            __builtin_memcpy(&packet.extra, &rx_->ring[received_++ % slots], sizeof packet.extra);
            ++skipped_;
        }
        if (answer.status > 0) {
            packet.bytes =
                std::span{page.bytes}.subspan(answer.offset, static_cast<std::size_t>(answer.status));
            return packet;
        }
        done();
    }
    return std::nullopt;
}

void Front::done() {
    for (++skipped_; skipped_ > 0; --skipped_)
        give(rx_refs_[given_ % pages]);
}

void Front::give(GrantRef ref) {
    rx_->ring[given_ % slots].req = {
        .id = static_cast<std::uint16_t>(given_ % slots), .pad = 0, .gref = ref.value()};
    move_rx_producer(1);
}

void Front::move_rx_producer(std::uint32_t by) {
    const RING_IDX before = given_;
    given_ += by;
    if (show(*rx_, before, given_))
        static_cast<void>(events::notify(port_));
}

netif_tx_request Front::request(std::uint32_t page, std::uint32_t bytes) const {
    return {.gref = tx_refs_[page].value(),
            .offset = 0,
            .flags = 0,
            .id = first_test_id,
            .size = static_cast<std::uint16_t>(bytes)};
}

void Front::put(const netif_tx_request& request) {
    __builtin_memcpy(&tx_->ring[produced_++ % slots].req, &request, sizeof request);
}

void Front::put(const netif_extra_info& extra) {
    __builtin_memcpy(&tx_->ring[produced_++ % slots], &extra, sizeof extra);
}

std::optional<netif_tx_response> Front::answer() {
    if (!has_answer(*tx_, consumed_))
        return std::nullopt;
    return tx_->ring[consumed_++ % slots].rsp;
}

} // namespace bulkhead::guest::net_device
