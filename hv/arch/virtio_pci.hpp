// A virtio device on the PCI bus, by the ports of its legacy interface (virtio 1.1, section 4.1.4.8): no
// memory of the device needs a mapping. Its interrupts stay off; completions are polled.
#pragma once

#include <cstdint>
#include <optional>

namespace bulkhead::hv {

class VirtioPci {
  public:
    enum class Kind : std::uint16_t { network = 1, block = 2 };

    // The device in that slot of bus 0, if it is a virtio device of that kind with ports; reset, and allowed
    // to reach memory. At boot.
    [[nodiscard]] static std::optional<VirtioPci> find(std::uint32_t slot, Kind kind);
    // Takes those of the wanted features that the device offers. Before its queues are set.
    [[nodiscard]] std::uint32_t negotiate(std::uint32_t wanted) const;
    [[nodiscard]] std::uint16_t queue_entries(std::uint16_t queue) const; // 0: it has no such queue
    void set_queue(std::uint16_t queue, std::uint64_t physical) const;
    void go() const;
    // A word of the device's own configuration.
    [[nodiscard]] std::uint32_t configuration(std::uint16_t offset) const;

    void notify(std::uint16_t queue) const;
    // It touches no memory any more.
    void stop() const;

  private:
    explicit VirtioPci(std::uint16_t ports) : ports_{ports} {}
    std::uint16_t ports_;
};

} // namespace bulkhead::hv
