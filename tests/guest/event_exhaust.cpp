// A guest that opens ports until it gets no more is refused cleanly, and has them all again after closing
// them.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static std::uint32_t open_all(std::array<std::uint16_t, 4096>& ports) {
    std::uint32_t count = 0;
    while (count < ports.size()) {
        const auto port = events::allocate_unbound(DomainId{DOMID_SELF});
        if (!port)
            break;
        ports[count++] = static_cast<std::uint16_t>(port->value());
    }
    return count;
}

GUEST_TEST(event_exhaust, "ports run out with an error and come back when closed") {
    static constinit std::array<std::uint16_t, 4096> ports{};
    const std::uint32_t first = open_all(ports);
    check(first >= 32, "only {} ports can be opened", first);
    check(first < ports.size(), "there is no limit");
    for (std::uint32_t i = 0; i < first; ++i)
        works(events::close(Port{ports[i]}), "close");
    const std::uint32_t second = open_all(ports);
    for (std::uint32_t i = 0; i < second; ++i)
        works(events::close(Port{ports[i]}), "close");
    check(first == second, "{} ports at first, {} after closing them", first, second);
}
