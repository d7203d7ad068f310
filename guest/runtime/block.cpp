// See block.hpp.
#include "guest/runtime/block.hpp"

#include "guest/runtime/device_paths.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/schedule.hpp"

#include <algorithm>
#include <atomic>

extern "C" {
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>
}

namespace bulkhead::guest::block_device {
namespace {

constexpr DomainId back_end{0};
constexpr std::uint32_t sectors_per_page = page_bytes / sector_bytes;

std::uint32_t in_pages(std::uint32_t sectors) { return (sectors + sectors_per_page - 1) / sectors_per_page; }

} // namespace

Result<Buffer> Buffer::make(std::uint32_t page_count, grants::Access access) {
    Buffer buffer;
    buffer.count_ = std::min(page_count, most_segments);
    buffer.pages_ = allocate_pages(buffer.count_ + 1);
    for (std::uint32_t i = 0; i <= buffer.count_; ++i) {
        const bool is_list = i == buffer.count_;
        const auto ref =
            grants::lend(buffer.pages_ + i, back_end, is_list ? grants::Access::read_only : access);
        if (!ref)
            return std::unexpected{ref.error()};
        (is_list ? buffer.list_ : buffer.refs_[i]) = *ref;
    }
    static_cast<void>(buffer.fill(reinterpret_cast<Segment*>(buffer.pages_ + buffer.count_),
                                  buffer.count_ * sectors_per_page));
    return buffer;
}

void Buffer::free() {
    for (std::uint32_t i = 0; i < count_; ++i)
        static_cast<void>(grants::end(refs_[i]));
    static_cast<void>(grants::end(list_));
    free_pages(pages_, count_ + 1);
}

std::uint32_t Buffer::fill(Segment* segments, std::uint32_t sectors) const {
    const auto pages = in_pages(sectors);
    for (std::uint32_t i = 0; i < pages; ++i) {
        const auto left = std::min(sectors - i * sectors_per_page, sectors_per_page);
        segments[i] = {
            .gref = refs_[i].value(), .first_sect = 0, .last_sect = static_cast<std::uint8_t>(left - 1)};
    }
    return pages;
}

blkif_request Buffer::request(std::uint8_t operation, std::uint64_t id, std::uint64_t sector,
                              std::uint32_t sectors) const {
    if (in_pages(sectors) > BLKIF_MAX_SEGMENTS_PER_REQUEST)
        return indirect(operation, id, sector, sectors);
    blkif_request request{};
    request.operation = operation;
    request.id = id;
    request.sector_number = sector;
    request.nr_segments = static_cast<std::uint8_t>(fill(request.seg, sectors));
    return request;
}

blkif_request Buffer::indirect(std::uint8_t operation, std::uint64_t id, std::uint64_t sector,
                               std::uint32_t sectors) const {
    static_cast<void>(fill(reinterpret_cast<Segment*>(pages_ + count_), sectors));
    blkif_request request{};
    blkif_request_indirect indirect{};
    indirect.operation = BLKIF_OP_INDIRECT;
    indirect.indirect_op = operation;
    indirect.nr_segments = static_cast<std::uint16_t>(in_pages(sectors));
    indirect.id = id;
    indirect.sector_number = sector;
    indirect.indirect_grefs[0] = list_.value();
    __builtin_memcpy(&request, &indirect, sizeof indirect);
    return request;
}

Result<Front> Front::connect(std::uint32_t device, RING_IDX first) {
    Front front;
    DevicePaths paths{"vbd", device};
    front.device_ = device;
    if (const auto ready = paths.await(XenbusStateInitWait); !ready)
        return std::unexpected{ready.error()};
    Page* const page = allocate_pages();
    front.ring_ = reinterpret_cast<blkif_sring*>(page);
    front.produced_ = front.consumed_ = front.shown_ = first;
    front.ring_->req_prod = front.ring_->rsp_prod = first;
    front.ring_->req_event = front.ring_->rsp_event = first + 1;
    const auto ref = grants::lend(page, back_end);
    const auto port = events::allocate_unbound(back_end);
    if (!ref || !port)
        return std::unexpected{ref ? port.error() : ref.error()};
    front.ring_ref_ = *ref;
    front.port_ = *port;
    events::listen(front.port_);
    for (const auto& written : {xenstore::write_number(paths.own("ring-ref"), ref->value()),
                                xenstore::write_number(paths.own("event-channel"), port->value()),
                                xenstore::write(paths.own("protocol"), XEN_IO_PROTO_ABI_NATIVE),
                                xenstore::write_number(paths.own("state"), XenbusStateInitialised)})
        if (!written)
            return std::unexpected{written.error()};
    if (const auto connected = paths.await(XenbusStateConnected); !connected)
        return std::unexpected{connected.error()};
    const auto sectors = paths.read_other("sectors");
    if (!sectors)
        return std::unexpected{sectors.error()};
    front.sectors_ = *sectors;
    if (const auto written = xenstore::write_number(paths.own("state"), XenbusStateConnected); !written)
        return std::unexpected{written.error()};
    return front;
}

Status Front::disconnect() {
    DevicePaths paths{"vbd", device_};
    for (const auto state : {XenbusStateClosing, XenbusStateClosed}) {
        if (const auto written = xenstore::write_number(paths.own("state"), state); !written)
            return written;
        if (const auto done = paths.await(state); !done)
            return done;
    }
    static_cast<void>(grants::end(ring_ref_));
    static_cast<void>(events::close(port_));
    free_pages(reinterpret_cast<Page*>(ring_));
    return xenstore::write_number(paths.own("state"), XenbusStateInitialising);
}

void Front::put(const blkif_request& request) {
    __builtin_memcpy(&ring_->ring[produced_++ % slots].req, &request, sizeof request);
}

void Front::overflow(std::uint32_t by) { produced_ += by; }

void Front::push() {
    const RING_IDX before = shown_;
    shown_ = produced_;
    std::atomic_ref{ring_->req_prod}.store(produced_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const RING_IDX wished = std::atomic_ref{ring_->req_event}.load(std::memory_order_relaxed);
    if (produced_ - wished < produced_ - before)
        static_cast<void>(events::notify(port_));
}

std::optional<blkif_response> Front::take() {
    if (std::atomic_ref{ring_->rsp_prod}.load(std::memory_order_acquire) == consumed_) {
        std::atomic_ref{ring_->rsp_event}.store(consumed_ + 1, std::memory_order_seq_cst);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (std::atomic_ref{ring_->rsp_prod}.load(std::memory_order_acquire) == consumed_)
            return std::nullopt;
    }
    return ring_->ring[consumed_++ % slots].rsp;
}

Result<std::int16_t> Front::carry_out(const blkif_request& request, Nanos patience) {
    put(request);
    push();
    for (const GuestTime deadline = now() + patience; now() < deadline;) {
        if (const auto answer = take())
            return answer->status;
        events::wait(port_, deadline);
    }
    return std::unexpected{Error::timed_out};
}

} // namespace bulkhead::guest::block_device
