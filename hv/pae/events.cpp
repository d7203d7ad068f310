#include "hv/pae/events.hpp"

#include "abi/pae.hpp"
#include "hv/domain/domain.hpp"
#include "hv/event/internal.hpp"

#include <atomic>
#include <cstddef>

namespace bulkhead::hv {

namespace {

static_assert(offsetof(pae_abi::SharedInfo, evtchn_pending) == offsetof(shared_info_t, evtchn_pending));
static_assert(offsetof(pae_abi::SharedInfo, vcpu_info) == offsetof(shared_info_t, vcpu_info) &&
              sizeof(pae_abi::VcpuInfo) == sizeof(vcpu_info_t));
static_assert(offsetof(pae_abi::VcpuInfo, upcall_mask) == offsetof(vcpu_info_t, evtchn_upcall_mask) &&
              offsetof(pae_abi::VcpuInfo, time) == offsetof(vcpu_info_t, time));

constexpr std::uint32_t word_bits = 32;

std::uint32_t bit_of(Port port) { return std::uint32_t{1} << port.value() % word_bits; }

pae_abi::SharedInfo& shared(Domain& domain) { return *reinterpret_cast<pae_abi::SharedInfo*>(domain.shared); }

std::atomic_ref<std::uint32_t> word(std::uint32_t (&bits)[32], Port port) {
    return std::atomic_ref{bits[port.value() / word_bits]};
}

} // namespace

[[gnu::noinline, gnu::cold]] bool select_pae_port(Domain& domain, Vcpu& vcpu, Port port) {
    if (port.value() >= pae_abi::max_ports ||
        (word(shared(domain).evtchn_mask, port).load() & bit_of(port)) != 0)
        return false;
    auto& selectors = reinterpret_cast<pae_abi::VcpuInfo*>(vcpu.info)->pending_sel;
    const auto bit = std::uint32_t{1} << port.value() / word_bits;
    return (std::atomic_ref{selectors}.fetch_or(bit) & bit) == 0;
}

[[gnu::noinline, gnu::cold]] Result<> unmask_pae_port(Domain& domain, Port port, std::uint16_t vcpu) {
    const auto bit = bit_of(port);
    if ((word(shared(domain).evtchn_mask, port).fetch_and(~bit) & bit) != 0 &&
        (word(shared(domain).evtchn_pending, port).load() & bit) != 0)
        events::notify_vcpu(domain, vcpu, port);
    return {};
}

} // namespace bulkhead::hv
