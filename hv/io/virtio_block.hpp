// A virtio block device (virtio 1.1, section 5.2): whole sectors between its medium and memory of the
// hypervisor. Whoever uses it knows each request by a number below `most_requests`.
#pragma once

#include "hv/arch/virtio_pci.hpp"
#include "hv/io/virtio_queue.hpp"

namespace bulkhead::hv {

class VirtioBlock {
  public:
    static constexpr std::uint16_t most_requests = 16;
    struct Outcome {
        std::uint16_t request;
        bool okay; // all of its bytes were moved
    };

    // At boot. Panics if the device in that slot is none or smaller than it should be.
    static VirtioBlock start(std::uint32_t slot, std::uint64_t sectors);

    // The memory is contiguous, and the device's until the request's outcome is known.
    void read(std::uint16_t request, std::uint64_t sector, std::byte* to, std::uint32_t bytes);
    void write(std::uint16_t request, std::uint64_t sector, const std::byte* from, std::uint32_t bytes);
    // What was written before, with an outcome, is on the medium afterwards.
    void flush(std::uint16_t request);
    [[nodiscard]] bool is_busy() const { return sent_ != 0; }
    // Of a request that was not told yet. All fail after the device has broken its queue: then it is stopped.
    [[nodiscard]] std::optional<Outcome> take();

  private:
    struct Envelope { // around the data of a request
        std::uint32_t type, reserved;
        std::uint64_t sector;
        std::uint8_t status;
    };
    static constexpr std::uint16_t pieces = 3;

    VirtioBlock(VirtioPci device, VirtQueue queue, Envelope* envelopes)
        : device_{device}, queue_{queue}, envelopes_{envelopes} {}
    void send(std::uint16_t request, std::uint32_t type, std::uint64_t sector, const std::byte* data,
              std::uint32_t bytes, bool is_read);
    [[nodiscard]] std::optional<Outcome> fail_one();

    VirtioPci device_;
    VirtQueue queue_;
    Envelope* envelopes_;
    std::array<std::uint32_t, most_requests> expected_{}; // bytes that the device has to write
    std::uint32_t sent_ = 0;                              // bit n: request n has no outcome yet
    bool is_stopped_ = false;
};

} // namespace bulkhead::hv
