#include "hv/io/real_drive.hpp"

#include "hv/base/machine.hpp"
#include "hv/io/block_copy.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <boost/intrusive/parent_from_member.hpp>

namespace bulkhead::hv {

namespace {

BlockRing& ring_of(const host::Request& request) {
    return *boost::intrusive::get_parent_from_member(request.ring, &BlockRing::queue);
}
BlockRequest& part_of(const host::Request& request) { return ring_of(request).requests[request.tag]; }

} // namespace

RealDrive::RealDrive(const device::Disk& model)
    : model_{model}, depth_{std::min(model.depth, static_cast<std::uint32_t>(VirtioBlock::most_requests))} {
    for (std::uint32_t i = 0; i < depth_; ++i) {
        const auto frames = frame_table().allocate_contiguous(most_segments);
        if (!frames)
            machine::out_of_memory("no memory for requests of real disks: give the machine more (--mem)");
        places_[i].bytes = machine::frame_as<std::byte>(*frames);
    }
}

void RealDrive::add(const VirtualDisk& disk) {
    if (disk.slot >= most_slots || disks_[disk.slot])
        machine::panic("the manifest names no slot for a real disk, or one slot twice");
    disks_[disk.slot] = VirtioBlock::start(disk.slot, disk.sectors);
}

host::Request* RealDrive::oldest(State state) const {
    const Place* found = nullptr;
    for (std::uint32_t i = 0; i < depth_; ++i)
        if (const Place& each = places_[i];
            each.state == state && (found == nullptr || each.request->number < found->request->number))
            found = &each;
    return found != nullptr ? found->request : nullptr;
}

std::uint16_t RealDrive::place_of(const host::Request& request) const {
    return static_cast<std::uint16_t>(std::ranges::find(places_, &request, &Place::request) -
                                      places_.begin());
}

// The host gives no more requests than there are places.
Nanos RealDrive::serve(host::Request& request, RealTime now) {
    auto& place = *std::ranges::find(places_, State::unused, &Place::state);
    place.state = State::to_send;
    place.request = &request;
    place.since = now;
    return request.estimate;
}

// False: the rest later. A ring that is broken has no guest that waits for them.
bool RealDrive::move_bytes(BlockRequest& request, const Place& place) {
    const auto first = place.request->sector - request.ring->disk->first;
    while (!is_moved(request)) {
        if (!move_segment(request, place.bytes + (request.position - first) * ringctl::sector_bytes) ||
            (machine::should_preempt() && !is_moved(request)))
            return false;
    }
    return true;
}

void RealDrive::send(const host::Request& asked) {
    const auto number = place_of(asked);
    auto& place = places_[number];
    const auto& ring = ring_of(asked);
    auto& request = part_of(asked);
    if (request.operation == BLKIF_OP_WRITE && !ring.broken && !move_bytes(request, place))
        return;
    if (ring.broken || request.status != BLKIF_RSP_OKAY) { // it need not go any further
        place.state = State::to_finish;
        place.until = machine::now();
        return;
    }
    place.state = State::at_a_disk;
    auto& disk = *disks_[ring.disk->slot];
    const auto sector = asked.sector - ring.disk->first;
    if (request.operation == BLKIF_OP_FLUSH_DISKCACHE)
        disk.flush(number);
    else if (request.is_read())
        disk.read(number, sector, place.bytes, asked.bytes);
    else
        disk.write(number, sector, place.bytes, asked.bytes);
}

void RealDrive::look(RealTime now) {
    looked_ = now;
    for (auto& disk : disks_) {
        if (!disk || !disk->is_busy())
            continue;
        while (const auto outcome = disk->take()) { // at most as many as there are places
            auto& place = places_[outcome->request];
            place.state = State::to_finish;
            place.until = now;
            if (!outcome->okay && !ring_of(*place.request).broken)
                part_of(*place.request).status = BLKIF_RSP_ERROR;
        }
    }
}

std::optional<Nanos> RealDrive::finish(const host::Request& asked) {
    auto& place = places_[place_of(asked)];
    auto& request = part_of(asked);
    if (request.is_read() && !ring_of(asked).broken && !move_bytes(request, place))
        return std::nullopt;
    const auto time = std::max(place.until - std::max(place.since, last_end_), Nanos{1});
    last_end_ = std::max(last_end_, place.until);
    place.state = State::unused;
    place.request = nullptr;
    return time;
}

} // namespace bulkhead::hv
