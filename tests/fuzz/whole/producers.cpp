#include "tests/fuzz/whole/producers.hpp"

#include "hv/base/machine.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/io/net.hpp"
#include "hv/io/net_port.hpp"
#include "tests/fuzz/whole/fronts.hpp"

#include <array>
#include <optional>
#include <utility>

namespace bulkhead::hv::whole {

namespace {

// A ring as the hypervisor stands in it: requests before `used` were taken, of which those before `answered`
// are over.
struct Standing {
    std::uint64_t producer; // where its guest writes it
    std::uint32_t slots, used, answered;
    [[nodiscard]] bool allows(std::uint32_t produced) const {
        return produced - used <= slots - (used - answered);
    }
};

constexpr std::uint32_t rings = disks + 2 * interfaces;
std::array<std::optional<std::uint32_t>, rings>
    allowed{}; // up to where the last value that was read let it go
std::string found;
std::uint32_t reads_to_change = 0;
void (*change_then)() = nullptr;

std::uint64_t place_of(const void* ring) { return reinterpret_cast<std::uint64_t>(ring); }

std::optional<Standing> standing(std::uint32_t number) {
    if (number < disks) {
        const auto* const ring = ring_by_number<false>(number);
        if (ring == nullptr || ring->shared == nullptr || ring->broken)
            return {};
        return Standing{place_of(&ring->shared->req_prod), ring_slots, ring->taken, ring->answered};
    }
    const auto* const port = net_port((number - disks) / 2);
    if (port == nullptr || port->tx == nullptr || port->rx == nullptr || port->broken)
        return {};
    if ((number - disks) % 2 == 0)
        return Standing{place_of(&port->tx->req_prod), net_slots, port->tx_taken, port->tx_answered};
    return Standing{place_of(&port->rx->req_prod), net_slots, port->rx_answered + port->asked,
                    port->rx_answered};
}

void judge(std::uint32_t number, const Standing& now) {
    const auto& limit = allowed[number];
    if (limit && *limit - now.used > now.slots)
        found = "ring " + std::to_string(number) +
                " was taken further than its producer allowed when it was read";
}

} // namespace

void forget_producers() { allowed.fill({}); }

std::string overtaken_producer() {
    for (std::uint32_t i = 0; i < rings; ++i)
        if (const auto now = standing(i))
            judge(i, *now);
    return std::exchange(found, {});
}

void change_at_read(std::uint32_t n, void (*change)()) {
    reads_to_change = n;
    change_then = change;
}

namespace {

// One page may be two rings at once: what is read there may be either's.
void note_read(std::uint64_t at) {
    std::optional<std::uint32_t> which;
    for (std::uint32_t i = 0; i < rings; ++i)
        if (const auto now = standing(i); now && now->producer == at) {
            if (which)
                return;
            which = i;
        }
    if (!which)
        return;
    if (reads_to_change != 0 && --reads_to_change == 0)
        change_then();
    const auto now = *standing(*which);
    judge(*which, now);
    const auto produced = *reinterpret_cast<const volatile std::uint32_t*>(at);
    allowed[*which] = now.allows(produced) ? produced : now.used;
}

} // namespace
} // namespace bulkhead::hv::whole

// Called before each read of 32 bits in hv/io (tests/fuzz/whole.cmake). A ring's page begins with its
// producer.
extern "C" void __sanitizer_cov_load4(std::uint32_t* at);
extern "C" void __sanitizer_cov_load4(std::uint32_t* at) {
    using namespace bulkhead;
    if (const auto place = reinterpret_cast<std::uint64_t>(at); place % page_bytes == 0)
        hv::whole::note_read(place);
}
