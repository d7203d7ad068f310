// Requests and packets as fast as the rings take them, so many that the bill of the whole run shows what each
// costs. Nothing else is asked of the hypervisor meanwhile: no timer, no mark.
#include "guest/runtime/block.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/net.hpp"
#include "guest/runtime/options.hpp"
#include "guest/runtime/schedule.hpp"
#include "workloads/primitives/meter.hpp"

#include <algorithm>

namespace bulkhead::primitives {
namespace {

using namespace guest;

constexpr std::uint32_t block_bytes = 4096, packet_bytes = 1500;
constexpr std::uint64_t most_on_their_way = 24; // packets of the sender: fewer than a port's buffer holds
constexpr std::byte peer_mac[] = {std::byte{0x00}, std::byte{0x16}, std::byte{0x3e},
                                  std::byte{0x00}, std::byte{0x00}, std::byte{0x10}};

std::uint64_t wanted() { return options().number("number", 1'000); }

void finish(std::string_view row, std::uint64_t failures) {
    print("RESULT name=primitives row={} number={} failures={}\n", row, wanted(), failures);
}

net_device::Front interface() {
    auto front = net_device::Front::connect();
    if (!front)
        panic("primitives: this guest has no network interface that can be used ({})", front.error());
    return *front;
}

// Reads blocks all over the disk.
class Reader {
  public:
    Reader(block_device::Front& front, const block_device::Buffer& buffer)
        : front_{front}, buffer_{buffer}, places_{front.sectors() / sectors} {}

    void run(std::uint64_t number, std::uint64_t depth) {
        for (std::uint64_t sent = 0, taken = 0; taken < number;) {
            for (; sent < number && sent - taken < depth; ++sent)
                front_.put(buffer_.request(BLKIF_OP_READ, sent, 7 * sent % places_ * sectors, sectors));
            front_.push();
            while (const auto answer = front_.take()) {
                ++taken;
                failures_ += answer->status != BLKIF_RSP_OKAY ? 1U : 0U;
            }
            if (taken < number && sent - taken == std::min(depth, number - taken))
                static_cast<void>(events::wait(front_.port(), GuestTime::never()));
        }
    }
    [[nodiscard]] std::uint64_t failures() const { return failures_; }

  private:
    static constexpr std::uint32_t sectors = block_bytes / block_device::sector_bytes;

    block_device::Front& front_;
    const block_device::Buffer& buffer_;
    std::uint64_t places_, failures_ = 0;
};

} // namespace

void measure_block() {
    auto front = block_device::Front::connect();
    const auto buffer = block_device::Buffer::make(1);
    if (!front || !buffer)
        panic("primitives: this guest has no disk that can be used");
    Reader reader{*front, *buffer};
    fence();
    reader.run(wanted(), options().number("depth", 8));
    fence();
    finish("block", reader.failures());
}

// Nothing makes the sender wait for a switch that is fast: `yield=1` lets the receiver run, whose port would
// fill up.
void measure_sending() {
    auto front = interface();
    const bool yields = options().number("yield", 0) != 0;
    std::uint64_t on_their_way = 0, failures = 0;
    fence();
    for (std::uint64_t sent = 0; sent < wanted() || on_their_way > 0;) {
        for (; const auto answer = front.answer(); --on_their_way)
            failures += answer->status != NETIF_RSP_OKAY ? 1U : 0U;
        for (; sent < wanted() && on_their_way < most_on_their_way; ++on_their_way, ++sent) {
            const auto page = static_cast<std::uint32_t>(sent % net_device::pages);
            std::ranges::copy(peer_mac, front.page(page)->bytes);
            std::ranges::copy(front.mac(), front.page(page)->bytes + sizeof peer_mac);
            front.put(front.request(page, packet_bytes));
        }
        front.push();
        if (yields)
            yield();
        if (on_their_way > 0)
            static_cast<void>(events::wait(front.port(), GuestTime::never()));
    }
    fence();
    finish("send", failures);
}

void measure_receiving() {
    auto front = interface();
    fence();
    for (std::uint64_t received = 0; received < wanted();) {
        for (; front.receive(); ++received)
            front.done();
        front.push();
        if (received < wanted())
            static_cast<void>(events::wait(front.port(), GuestTime::never()));
    }
    fence();
    finish("receive", 0);
}

} // namespace bulkhead::primitives
