#include "hv/io/virtio_net.hpp"

#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/net_checksum.hpp"
#include "hv/mm/frame.hpp"

#include <cstring>

namespace bulkhead::hv {

namespace {

constexpr std::uint16_t in_queue = 0, out_queue = 1;

std::uint64_t physical(const std::byte* memory) {
    return (machine::frame_of(memory).value() << page_shift) |
           (reinterpret_cast<std::uint64_t>(memory) & (page_bytes - 1));
}

VirtQueue make_queue(const VirtioPci& device, std::uint16_t number, std::uint16_t pieces,
                     std::uint32_t least) {
    const auto entries = device.queue_entries(number);
    if (entries < least || entries > VirtQueue::most_entries || (entries & (entries - 1)) != 0)
        machine::panic("a queue of the device for the network outside has a length that is not supported");
    const auto frames = frame_table().allocate_contiguous(VirtQueue::bytes_for(entries) / page_bytes);
    if (!frames)
        machine::out_of_memory("no memory for the network outside: give the machine more (--mem)");
    device.set_queue(number, frames->value() << page_shift);
    return {machine::frame_as<std::byte>(*frames), entries, pieces};
}

} // namespace

VirtioNet VirtioNet::start(std::uint32_t slot) {
    const auto device = VirtioPci::find(slot, VirtioPci::Kind::network);
    if (!device)
        machine::panic("the network outside is missing: QEMU must have a virtio network device with a legacy "
                       "interface");
    static_cast<void>(device->negotiate(0));
    const auto in = make_queue(*device, in_queue, pieces, buffers * pieces);
    const auto out = make_queue(*device, out_queue, pieces, buffers * pieces);
    const auto memory = frame_table().allocate_contiguous(2 * buffers * buffer_bytes / page_bytes);
    if (!memory)
        machine::out_of_memory("no memory for the network outside: give the machine more (--mem)");
    VirtioNet made{*device, in, out, machine::frame_as<std::byte>(*memory)};
    device->go();
    for (std::uint16_t i = 0; i < buffers; ++i)
        made.offer(i);
    return made;
}

void VirtioNet::offer(std::uint16_t number) {
    auto* const place = buffer(true, number);
    const VirtQueue::Piece chain[] = {
        {.physical = physical(place), .bytes = header_bytes, .written = true},
        {.physical = physical(place + packet_at), .bytes = largest, .written = true}};
    in_.put(number, chain);
    device_.notify(in_queue);
}

bool VirtioNet::is_fine(const VirtQueue& queue) {
    if (!is_stopped_ && queue.is_broken()) {
        log("the device for the network outside broke the rules of its queue: it is stopped\n");
        device_.stop();
        is_stopped_ = true;
    }
    return !is_stopped_;
}

bool VirtioNet::send(std::span<const std::byte> packet, bool checksum_is_blank) {
    while (!is_stopped_ && out_.take()) {
    }
    std::uint16_t number = 0;
    while (number < buffers && out_.is_in_flight(number))
        ++number;
    if (!is_fine(out_) || number == buffers || packet.size() > largest)
        return false;
    auto* const place = buffer(false, number);
    std::memset(place, 0, header_bytes);
    std::memcpy(place + packet_at, packet.data(), packet.size());
    if (checksum_is_blank && !complete_checksum({place + packet_at, packet.size()}))
        return false;
    const VirtQueue::Piece chain[] = {{.physical = physical(place), .bytes = header_bytes, .written = false},
                                      {.physical = physical(place + packet_at),
                                       .bytes = static_cast<std::uint32_t>(packet.size()),
                                       .written = false}};
    out_.put(number, chain);
    device_.notify(out_queue);
    return true;
}

// A packet shorter than its headers counts as none: its buffer is given back at once.
std::span<const std::byte> VirtioNet::receive() {
    if (is_stopped_)
        return {};
    const auto used = in_.take();
    if (!is_fine(in_) || !used)
        return {};
    at_hand_ = used->chain;
    constexpr std::uint32_t ethernet = 14;
    if (used->bytes < header_bytes + ethernet) {
        done();
        return {};
    }
    return {buffer(true, at_hand_) + packet_at, used->bytes - header_bytes};
}

void VirtioNet::done() {
    if (!is_stopped_)
        offer(at_hand_);
}

} // namespace bulkhead::hv
