#include "hv/io/virtio_queue.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr std::uint16_t has_next = 1, device_writes = 2; // of a descriptor
constexpr std::uint16_t no_interrupt = 1;                // of the available ring
constexpr std::size_t index_at = 2, ring_at = 4;         // of either ring

} // namespace

VirtQueue::VirtQueue(std::byte* memory, std::uint16_t entries, std::uint16_t pieces)
    : memory_{memory}, entries_{entries}, pieces_{pieces},
      chains_{std::min(static_cast<std::uint16_t>(entries / pieces), most_chains)} {
    half_word(available_at()) = no_interrupt;
}

void VirtQueue::put(std::uint16_t chain, std::span<const Piece> pieces) {
    const auto head = static_cast<std::uint16_t>(chain * pieces_);
    auto* const table = reinterpret_cast<Descriptor*>(memory_);
    auto& flight = flight_[chain];
    flight = {.is_there = true, .writable = 0};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const bool is_last = i + 1 == pieces.size();
        table[head + i] = {.physical = pieces[i].physical,
                           .bytes = pieces[i].bytes,
                           .flags = static_cast<std::uint16_t>((is_last ? 0 : has_next) |
                                                               (pieces[i].written ? device_writes : 0)),
                           .next = static_cast<std::uint16_t>(is_last ? 0 : head + i + 1)};
        flight.writable += pieces[i].written ? pieces[i].bytes : 0;
    }
    ++in_flight_;
    half_word(available_at() + ring_at + shown_ % entries_ * std::size_t{2}) = head;
    std::atomic_ref{half_word(available_at() + index_at)}.store(++shown_, std::memory_order_release);
}

std::optional<VirtQueue::Used> VirtQueue::take() {
    if (is_broken_)
        return std::nullopt;
    const auto used = used_at(entries_);
    const auto done = std::atomic_ref{half_word(used + index_at)}.load(std::memory_order_acquire);
    const auto ahead = static_cast<std::uint16_t>(done - seen_);
    if (ahead == 0)
        return std::nullopt;
    const auto* const place = memory_ + used + ring_at + seen_ % entries_ * sizeof(UsedElement);
    // Each read once: the device may write again.
    const auto id = *reinterpret_cast<const volatile std::uint32_t*>(place);
    const auto bytes = *reinterpret_cast<const volatile std::uint32_t*>(place + 4);
    const auto chain = id / pieces_;
    if (ahead > in_flight_ || id % pieces_ != 0 || chain >= chains_ || !flight_[chain].is_there ||
        bytes > flight_[chain].writable) {
        is_broken_ = true;
        return std::nullopt;
    }
    flight_[chain].is_there = false;
    --in_flight_;
    ++seen_;
    return Used{.chain = static_cast<std::uint16_t>(chain), .bytes = bytes};
}

} // namespace bulkhead::hv
