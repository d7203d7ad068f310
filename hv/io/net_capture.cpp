#include "hv/io/net_capture.hpp"

#include "abi/capture.hpp"
#include "device/switch.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/power.hpp"
#include "hv/base/machine.hpp"

#include <array>
#include <atomic>

namespace bulkhead::hv {

namespace {

constinit bool is_possible = false;
constinit std::array<std::uint8_t, device::Switch::max_ports> wanted{}; // 1: the port's packets are recorded

capture::Page& shared() {
    return *machine::frame_as<capture::Page>(Mfn{capture::physical_address >> page_shift});
}

// A packet lies in the image or in the direct map, both of which begin with physical address 0. One mask
// serves both, so the clock counts as many instructions for either; it has room for 512 GiB.
constexpr std::uint64_t in_mapping = (std::uint64_t{1} << 39) - 1;
static_assert((layout::image & in_mapping) == 0 && (layout::direct_map & in_mapping) == 0);

} // namespace

void start_capture() {
    shared() = {};
    is_possible = true;
}

void capture_port(std::uint32_t port, std::uint32_t is_wanted) { wanted[port] = is_wanted & 1; }

// Without a branch on `wanted`: the clock counts instructions.
void show_packet(std::uint32_t port, const std::byte* data, std::uint32_t bytes, RealTime switched,
                 RealTime at) {
    if (!is_possible)
        return;
    auto& page = shared();
    page.physical = reinterpret_cast<std::uint64_t>(data) & in_mapping;
    page.bytes = bytes;
    page.interface = port;
    page.switched = switched.since_start().count();
    page.at = at.since_start().count();
    const std::uint64_t is_wanted = wanted[port], number = page.packets + is_wanted;
    std::atomic_ref{page.packets}.store(number, std::memory_order_release);
    const auto bell = capture::doorbell + number % 2;
    ring_doorbell(
        static_cast<std::uint16_t>(capture::silent_port - is_wanted * (capture::silent_port - bell)));
}

} // namespace bulkhead::hv
