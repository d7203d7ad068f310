#include "hv/io/virtio_block.hpp"

#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

#include <bit>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t in = 0, out = 1, flush_cache = 4; // types of requests
constexpr std::uint32_t can_flush = 1 << 9;               // feature
constexpr std::uint8_t status_okay = 0, status_unwritten = 0xff;
constexpr std::uint16_t capacity = 0; // in the configuration: sectors, 64 bits

std::uint64_t physical(const void* memory) {
    const auto frame = machine::frame_of(memory).value() << page_shift;
    return frame | (reinterpret_cast<std::uint64_t>(memory) & (page_bytes - 1));
}

} // namespace

VirtioBlock VirtioBlock::start(std::uint32_t slot, std::uint64_t sectors) {
    const auto device = VirtioPci::find(slot, VirtioPci::Kind::block);
    if (!device)
        machine::panic(
            "a real disk is missing: QEMU must have a virtio block device with a legacy interface");
    if (device->negotiate(can_flush) == 0)
        machine::panic("a real disk cannot be flushed");
    const auto entries = device->queue_entries(0);
    if (entries < most_requests * pieces || entries > VirtQueue::most_entries ||
        (entries & (entries - 1)) != 0)
        machine::panic("a real disk's queue has a length that is not supported");
    if ((device->configuration(capacity) | std::uint64_t{device->configuration(capacity + 4)} << 32) <
        sectors)
        machine::panic("a real disk is smaller than its image was");
    const auto bytes = VirtQueue::bytes_for(entries);
    static_assert(most_requests * sizeof(Envelope) <= page_bytes);
    const auto frames = frame_table().allocate_contiguous(bytes / page_bytes + 1);
    if (!frames)
        machine::out_of_memory("no memory for a real disk: give the machine more (--mem)");
    auto* const memory = machine::frame_as<std::byte>(*frames);
    device->set_queue(0, frames->value() << page_shift);
    device->go();
    return {*device, VirtQueue{memory, entries, pieces}, reinterpret_cast<Envelope*>(memory + bytes)};
}

void VirtioBlock::read(std::uint16_t request, std::uint64_t sector, std::byte* to, std::uint32_t bytes) {
    send(request, in, sector, to, bytes, true);
}

void VirtioBlock::write(std::uint16_t request, std::uint64_t sector, const std::byte* from,
                        std::uint32_t bytes) {
    send(request, out, sector, from, bytes, false);
}

void VirtioBlock::flush(std::uint16_t request) { send(request, flush_cache, 0, nullptr, 0, false); }

void VirtioBlock::send(std::uint16_t request, std::uint32_t type, std::uint64_t sector, const std::byte* data,
                       std::uint32_t bytes, bool is_read) {
    sent_ |= std::uint32_t{1} << request;
    if (is_stopped_)
        return;
    auto& envelope = envelopes_[request];
    envelope = {.type = type, .reserved = 0, .sector = sector, .status = status_unwritten};
    expected_[request] = (is_read ? bytes : 0) + 1;
    std::array<VirtQueue::Piece, pieces> chain;
    std::size_t count = 0;
    chain[count++] = {.physical = physical(&envelope), .bytes = offsetof(Envelope, status), .written = false};
    if (bytes > 0)
        chain[count++] = {.physical = physical(data), .bytes = bytes, .written = is_read};
    chain[count++] = {.physical = physical(&envelope.status), .bytes = 1, .written = true};
    queue_.put(request, std::span{chain}.first(count));
    device_.notify(0);
}

std::optional<VirtioBlock::Outcome> VirtioBlock::take() {
    if (is_stopped_)
        return fail_one();
    const auto used = queue_.take();
    if (used) {
        sent_ &= ~(std::uint32_t{1} << used->chain);
        const auto status = *const_cast<const volatile std::uint8_t*>(&envelopes_[used->chain].status);
        return Outcome{.request = used->chain,
                       .okay = status == status_okay && used->bytes == expected_[used->chain]};
    }
    if (!queue_.is_broken())
        return std::nullopt;
    log("a real disk broke the rules of its queue: it is stopped, and all of its requests fail\n");
    device_.stop();
    is_stopped_ = true;
    return fail_one();
}

std::optional<VirtioBlock::Outcome> VirtioBlock::fail_one() {
    if (sent_ == 0)
        return std::nullopt;
    const auto request = static_cast<std::uint16_t>(std::countr_zero(sent_));
    sent_ &= sent_ - 1;
    return Outcome{.request = request, .okay = false};
}

} // namespace bulkhead::hv
