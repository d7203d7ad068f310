// The real disks of a machine as one device of the ring policy's host. The bytes of a request lie in memory
// of the hypervisor's own while a disk works on them, never in a guest's: a guest may die meanwhile.
#pragma once

#include "device/disk.hpp"
#include "host/device.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/io/virtio_block.hpp"

#include <array>
#include <optional>

namespace bulkhead::hv {

class RealDrive {
  public:
    static constexpr std::uint32_t most_slots = 32; // of the PCI bus

    // At boot: sets memory aside for as many requests as `model` has depth, at most
    // VirtioBlock::most_requests. Its times are what the policy is told to expect.
    explicit RealDrive(const device::Disk& model);
    // At boot. Panics if the bus has no such disk.
    void add(const VirtualDisk& disk);

    // See host/device.hpp. A request that is served is to be sent.
    [[nodiscard]] std::uint32_t depth() const { return depth_; }
    [[nodiscard]] Nanos estimate(const host::RequestFields& request, bool sequential) const {
        return model_.time(request.bytes, sequential, request.parts);
    }
    Nanos serve(host::Request& request, RealTime now);

    // The oldest request that is to be sent, at a disk, or back and to be finished; nullptr if there is none.
    [[nodiscard]] host::Request* to_send() const { return oldest(State::to_send); }
    [[nodiscard]] host::Request* at_a_disk() const { return oldest(State::at_a_disk); }
    [[nodiscard]] host::Request* to_finish() const { return oldest(State::to_finish); }
    // A piece of the way to the disk: bytes that it will write are fetched from the guest, as far as the
    // section's budget lasts.
    void send(const host::Request& request);
    // Looks for requests that have come back.
    void look(RealTime now);
    // When to look next, if a request is at a disk.
    [[nodiscard]] RealTime looks_at() const { return looked_ + between_looks; }
    // A piece of the way back: bytes that were read go to the guest. Once all is done, how long the request
    // had the disks; its place is free then.
    [[nodiscard]] std::optional<Nanos> finish(const host::Request& request);

  private:
    static constexpr Nanos between_looks = microseconds(50);
    enum class State : std::uint8_t { unused, to_send, at_a_disk, to_finish };
    struct Place {
        State state = State::unused;
        host::Request* request = nullptr;
        std::byte* bytes = nullptr; // room for the largest request
        RealTime since{}, until{};
    };
    [[nodiscard]] host::Request* oldest(State state) const;
    [[nodiscard]] std::uint16_t place_of(const host::Request& request) const;
    [[nodiscard]] bool move_bytes(BlockRequest& request, const Place& place);

    device::Disk model_;
    std::uint32_t depth_;
    std::array<std::optional<VirtioBlock>, most_slots> disks_{};
    std::array<Place, VirtioBlock::most_requests> places_{};
    RealTime looked_{}, last_end_{};
};
static_assert(host::Device<RealDrive>);

} // namespace bulkhead::hv
