// A virtio network device (virtio 1.1, section 5.1): packets between memory of the hypervisor and whatever is
// behind the device. The device is left nothing to do: no checksum, no cutting.
#pragma once

#include "hv/arch/virtio_pci.hpp"
#include "hv/io/virtio_queue.hpp"

namespace bulkhead::hv {

class VirtioNet {
  public:
    static constexpr std::uint32_t largest = 1518; // bytes of a packet: header, VLAN tag, 1,500

    // At boot. Panics if the device in that slot is none.
    static VirtioNet start(std::uint32_t slot);

    // False: it has no room for a packet, or is stopped, or the checksum is blank and cannot be made. At most
    // `largest` bytes are copied; a blank checksum is made in the copy.
    [[nodiscard]] bool send(std::span<const std::byte> packet, bool checksum_is_blank);
    // A packet that has come: its bytes are there until done(), which comes before the next receive().
    [[nodiscard]] std::span<const std::byte> receive();
    void done();

  private:
    static constexpr std::uint16_t buffers = 32, pieces = 2;
    static constexpr std::uint32_t header_bytes = 10, packet_at = 16, buffer_bytes = 2048;

    VirtioNet(VirtioPci device, VirtQueue in, VirtQueue out, std::byte* memory)
        : device_{device}, in_{in}, out_{out}, memory_{memory} {}
    [[nodiscard]] std::byte* buffer(bool is_in, std::uint16_t number) {
        return memory_ + (number + (is_in ? 0U : buffers)) * std::size_t{buffer_bytes};
    }
    void offer(std::uint16_t number);
    [[nodiscard]] bool is_fine(const VirtQueue& queue);

    VirtioPci device_;
    VirtQueue in_, out_;
    std::byte* memory_;
    std::uint16_t at_hand_ = 0; // the buffer of the packet that came last
    bool is_stopped_ = false;
};

} // namespace bulkhead::hv
