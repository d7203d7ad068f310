// What the network back end holds of a guest, for the audit.
#include "hv/domain/holders.hpp"
#include "hv/io/net_port.hpp"

namespace bulkhead::hv {

Mfn net_ring_frame(const Domain& domain, std::uint32_t index) {
    const NetPort* port = domain.net_ports;
    for (; port != nullptr && index > 1; index -= 2)
        port = port->next;
    if (port == nullptr)
        return Mfn{};
    return index == 0 ? port->tx_frame : port->rx_frame;
}

} // namespace bulkhead::hv
