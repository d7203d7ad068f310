// A split queue of the virtio specification (version 1.1, section 2.6), as the driver of a device sees it.
// The device is trusted with what it writes into buffers, and with nothing else: indices and lengths that
// cannot be right break the queue for good.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bulkhead::hv {

class VirtQueue {
  public:
    static constexpr std::uint16_t most_entries = 256, most_chains = 128;
    // Memory that the device reads (`written` false) or writes.
    struct Piece {
        std::uint64_t physical;
        std::uint32_t bytes;
        bool written;
    };
    struct Used {
        std::uint16_t chain;
        std::uint32_t bytes; // as many as the device has written, at most what it could
    };

    // Of the queue's memory, which is aligned to a page: descriptors and available ring, then, on a page of
    // its own, the used ring.
    [[nodiscard]] static constexpr std::size_t bytes_for(std::uint16_t entries) {
        return used_at(entries) + whole_pages(6 + entries * sizeof(UsedElement));
    }

    // `memory` is zeroed, `entries` a power of two of at most most_entries. A chain has at most `pieces`.
    VirtQueue(std::byte* memory, std::uint16_t entries, std::uint16_t pieces);

    // The numbers of chains are below this.
    [[nodiscard]] std::uint16_t chains() const { return chains_; }
    [[nodiscard]] std::uint16_t in_flight() const { return in_flight_; }
    [[nodiscard]] bool is_in_flight(std::uint16_t chain) const { return flight_[chain].is_there; }
    // Gives the device a chain that is not in flight: at least one piece, the read ones first. The device is
    // then to be notified.
    void put(std::uint16_t chain, std::span<const Piece> pieces);
    // A chain that the device is done with. None if the queue is broken.
    [[nodiscard]] std::optional<Used> take();
    // The device has said what cannot be. It must be stopped; chains in flight never come back.
    [[nodiscard]] bool is_broken() const { return is_broken_; }

  private:
    struct Descriptor {
        std::uint64_t physical;
        std::uint32_t bytes;
        std::uint16_t flags, next;
    };
    struct UsedElement {
        std::uint32_t id, bytes;
    };
    struct Flight {
        bool is_there = false;
        std::uint32_t writable = 0; // bytes
    };
    static constexpr std::size_t page = 4096;
    [[nodiscard]] static constexpr std::size_t whole_pages(std::size_t bytes) {
        return (bytes + page - 1) & ~(page - 1);
    }
    [[nodiscard]] static constexpr std::size_t used_at(std::uint16_t entries) {
        return whole_pages(entries * sizeof(Descriptor) + 6 + entries * std::size_t{2});
    }
    [[nodiscard]] std::uint16_t& half_word(std::size_t offset) {
        return *reinterpret_cast<std::uint16_t*>(memory_ + offset);
    }
    [[nodiscard]] std::size_t available_at() const { return entries_ * sizeof(Descriptor); }

    std::byte* memory_;
    std::uint16_t entries_, pieces_, chains_;
    std::uint16_t shown_ = 0, seen_ = 0; // free-running, our own
    std::uint16_t in_flight_ = 0;
    bool is_broken_ = false;
    std::array<Flight, most_chains> flight_{};
};

} // namespace bulkhead::hv
