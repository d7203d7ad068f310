// A block front end (<xen/io/blkif.h>, one page, one queue): finds its disk through xenstore and puts
// requests into the ring as they are given, right or wrong. Answers come back in any order.
#pragma once

#include "guest/runtime/grants.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/result.hpp"

#include <array>
#include <optional>

extern "C" {
#include <xen/io/blkif.h>
}

namespace bulkhead::guest::block_device {

inline constexpr std::uint32_t xvda = 51712;
inline constexpr std::uint32_t sector_bytes = 512;
inline constexpr std::uint32_t slots = 32;         // of the ring
inline constexpr std::uint32_t most_segments = 32; // of an indirect request here
using Segment = blkif_request_segment;

// Pages that are lent to the back end for as long as they exist, and the list that an indirect request names.
class Buffer {
  public:
    // At most `most_segments` pages, of which every sector takes part.
    [[nodiscard]] static Result<Buffer> make(std::uint32_t page_count,
                                             grants::Access access = grants::Access::read_write);
    void free();

    [[nodiscard]] std::byte* data() const { return pages_->bytes; }
    [[nodiscard]] std::uint32_t pages() const { return count_; }
    // A request for all of it, or for its first `sectors`: indirect where the segments would not fit.
    [[nodiscard]] blkif_request request(std::uint8_t operation, std::uint64_t id, std::uint64_t sector,
                                        std::uint32_t sectors) const;
    // The same as an indirect one in any case.
    [[nodiscard]] blkif_request indirect(std::uint8_t operation, std::uint64_t id, std::uint64_t sector,
                                         std::uint32_t sectors) const;
    [[nodiscard]] GrantRef ref(std::uint32_t page) const { return refs_[page]; }

  private:
    // Of the first `sectors`; how many there are.
    std::uint32_t fill(Segment* segments, std::uint32_t sectors) const;

    Page* pages_ = nullptr; // behind the last one lies the list
    std::uint32_t count_ = 0;
    std::array<GrantRef, most_segments> refs_{};
    GrantRef list_{};
};

class Front {
  public:
    // Waits until the back end is connected, at most a second. The ring's indices begin at `first`.
    [[nodiscard]] static Result<Front> connect(std::uint32_t device = xvda, RING_IDX first = 0);
    // The way back, until the back end has let go.
    Status disconnect();

    [[nodiscard]] std::uint64_t sectors() const { return sectors_; }
    [[nodiscard]] Port port() const { return port_; }
    [[nodiscard]] bool has_room() const { return produced_ - consumed_ < slots; }
    [[nodiscard]] std::uint32_t outstanding() const { return produced_ - consumed_; }

    void put(const blkif_request& request); // has_room, or the ring will be broken
    void push();                            // shows what was put, and notifies if the back end asked for it
    // An answer; if there is none, the back end is asked to notify.
    [[nodiscard]] std::optional<blkif_response> take();
    // Puts one request, waits for an answer, at most `patience`, and returns its status.
    [[nodiscard]] Result<std::int16_t> carry_out(const blkif_request& request,
                                                 Nanos patience = milliseconds(1000));
    // The producer is moved by so many without a request: breaks the ring.
    void overflow(std::uint32_t by);

  private:
    std::uint32_t device_ = xvda;
    blkif_sring* ring_ = nullptr;
    GrantRef ring_ref_{};
    Port port_{};
    std::uint64_t sectors_ = 0;
    RING_IDX produced_ = 0, consumed_ = 0, shown_ = 0;
};

} // namespace bulkhead::guest::block_device
