// Answering CPUID for a guest: leaf by leaf, the processor's words with the table's features and without what
// would tell of other guests or promise what does not work.
#include "hv/trap/cpu_policy.hpp"

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"

#include <algorithm>

extern "C" {
#include <xen/arch-x86/cpuid.h>
}

namespace bulkhead::hv {
namespace {

constexpr std::uint32_t last_basic = 13, extended_base = 0x80000000, last_extended = 0x80000008;
constexpr std::uint32_t hypervisor_base = 0x40000000,
                        last_hypervisor = hypervisor_base + XEN_CPUID_MAX_NUM_LEAVES;
constexpr std::uint64_t cr4_de = 1 << 3, cr4_pae = 1 << 5, cr4_osfxsr = 1 << 9, cr4_osxmmexcpt = 1 << 10,
                        cr4_umip = 1 << 11, cr4_osxsave = 1 << 18;

// Adds the features of those that are `there` to a leaf whose feature words are still zero.
CpuidLeaf with_features(const Vcpu& vcpu, std::uint32_t leaf, std::uint32_t subleaf, const CpuidLeaf& there,
                        CpuidLeaf out) {
    const auto& masks = feature_masks(leaf, subleaf);
    const std::uint32_t by_cr4 = (vcpu.processor.cr4 & cr4_osxsave) != 0 ? ~0U : 0;
    const auto seen = [&](std::uint32_t processor, std::uint32_t host, std::uint32_t set, std::uint32_t cr4) {
        return (processor & (host | (cr4 & by_cr4))) | set;
    };
    out.a |= seen(there.a, masks.host.a, masks.set.a, masks.cr4.a);
    out.b |= seen(there.b, masks.host.b, masks.set.b, masks.cr4.b);
    out.c |= seen(there.c, masks.host.c, masks.set.c, masks.cr4.c);
    out.d |= seen(there.d, masks.host.d, masks.set.d, masks.cr4.d);
    return out;
}

CpuidLeaf save_area(const Vcpu& vcpu, std::uint32_t subleaf) {
    const auto state = extended_state();
    if (state == 0)
        return {};
    if (subleaf == 0) {
        std::uint32_t bytes = 512 + 64; // legacy region and header
        for (std::uint32_t component = 2; component < 63; ++component)
            if (state >> component & 1) {
                const auto place = host_cpuid(13, component);
                bytes = std::max(bytes, place.a + place.b);
            }
        return {static_cast<std::uint32_t>(state), bytes, bytes, static_cast<std::uint32_t>(state >> 32)};
    }
    if (subleaf == 1) {
        const auto there = host_cpuid(13, 1);
        return with_features(vcpu, 13, 1, there, {0, there.b, 0, 0});
    }
    return subleaf < 63 && (state >> subleaf & 1) ? host_cpuid(13, subleaf) : CpuidLeaf{};
}

CpuidLeaf basic(const Vcpu& vcpu, std::uint32_t leaf, std::uint32_t subleaf) {
    const auto processor = host_cpuid(leaf, subleaf);
    switch (leaf) {
    case 0:
        return {std::min(processor.a, last_basic), processor.b, processor.c, processor.d};
    case 1: { // ebx: the size of a cache line, and a local APIC's number that only tells vCPUs apart
        const auto id = static_cast<std::uint32_t>(vcpu.id.value()) * 2;
        return with_features(vcpu, 1, 0, processor, {processor.a, (processor.b & 0xff00) | id << 24, 0, 0});
    }
    case 2:
        return processor;
    case 4: // caches; the guest is told that they are not shared
        return {processor.a & 0x3fff, processor.b, processor.c, processor.d};
    case 7:
        return subleaf == 0 ? with_features(vcpu, 7, 0, processor, {}) : CpuidLeaf{};
    case 13:
        return save_area(vcpu, subleaf);
    default: // monitor, power, performance counters, topology
        return {};
    }
}

CpuidLeaf extended(const Vcpu& vcpu, std::uint32_t leaf) {
    const auto processor = host_cpuid(leaf, 0);
    switch (leaf) {
    case extended_base:
        return {std::min(processor.a, last_extended), processor.b, processor.c, processor.d};
    case extended_base + 1:
        return with_features(vcpu, leaf, 0, processor, {processor.a, 0, 0, 0});
    case extended_base + 2:
    case extended_base + 3:
    case extended_base + 4: // name
    case extended_base + 5:
    case extended_base + 6: // caches
        return processor;
    case extended_base + 7:
        return with_features(vcpu, leaf, 0, processor, {});
    case extended_base + 8: // widths of addresses: virtual ones always 48 bits
        return {(processor.a & 0xff) | 48 << 8, 0, 0, 0};
    default:
        return {};
    }
}

CpuidLeaf time_leaf(std::uint32_t subleaf) {
    constexpr std::uint32_t reliable = 1 << 1, native = 2; // mode: never emulated
    const auto scale = machine::tsc_scale();
    const auto khz = static_cast<std::uint32_t>(scale.hz / 1000);
    switch (subleaf) {
    case 0:
        return {reliable, native, khz, 0};
    case 1:
        return {0, 0, scale.mul, static_cast<std::uint32_t>(scale.shift)};
    case 2:
        return {khz, 0, 0, 0};
    default:
        return {};
    }
}

CpuidLeaf hypervisor(std::uint32_t leaf, std::uint32_t subleaf) {
    switch (leaf - hypervisor_base) {
    case 0:
        return {last_hypervisor, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
    case 1:
        return {4 << 16 | 17, 0, 0, 0};
    case 2:
        return {1, hypervisor_base, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
    case 3:
        return time_leaf(subleaf);
    case 5:
        return {0,
                subleaf == 0 ? host_cpuid(extended_base + 8, 0).a & XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK : 0,
                0, 0};
    default:
        return {};
    }
}

} // namespace

std::uint64_t extended_state() {
    constexpr std::uint32_t xsave = 1 << 26;
    constexpr std::uint64_t kept = 0x7; // x87, SSE, AVX: what a context switch saves
    return host_cpuid(1, 0).c & xsave ? host_cpuid(13, 0).a & kept : 0;
}

std::uint64_t fixed_cr4() {
    constexpr std::uint32_t umip = 1 << 2;
    return cr4_pae | (host_cpuid(7, 0).c & umip ? cr4_umip : 0);
}

std::uint64_t first_cr4() {
    return fixed_cr4() | cr4_osfxsr | cr4_osxmmexcpt | (extended_state() ? cr4_osxsave : 0);
}

std::uint64_t accepted_cr4(std::uint64_t value) { return (value & (first_cr4() | cr4_de)) | fixed_cr4(); }

CpuidLeaf guest_cpuid(const Vcpu& vcpu, std::uint32_t leaf, std::uint32_t subleaf) {
    if (leaf >= extended_base)
        return leaf <= std::min(last_extended, host_cpuid(extended_base, 0).a) ? extended(vcpu, leaf)
                                                                               : CpuidLeaf{};
    if (leaf >= hypervisor_base)
        return leaf <= last_hypervisor ? hypervisor(leaf, subleaf) : CpuidLeaf{};
    return leaf <= std::min(last_basic, host_cpuid(0, 0).a) ? basic(vcpu, leaf, subleaf) : CpuidLeaf{};
}

} // namespace bulkhead::hv
