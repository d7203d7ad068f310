// The hypervisor's addresses in a program of the host, where the upper half of the address space is not to be
// had: the same regions in the same order, in its lower half. Slots are those of guests' tables, which keep
// 256 to 271 for the hypervisor; nothing that the program uses lies there.
#pragma once

#include <cstdint>

namespace bulkhead::hv::layout {

inline constexpr std::uint64_t hypervisor_start = 0x200000000000, hypervisor_end = 0x280000000000;
inline constexpr unsigned first_slot = 256, last_slot = 271;

inline constexpr std::uint64_t m2p = 0x200000000000;
inline constexpr std::uint64_t policy_stacks = 0x210000000000;
inline constexpr std::uint64_t policy_stack_stride = 1ULL << 30;
inline constexpr std::uint64_t descriptors = 0x218000000000;
inline constexpr std::uint64_t frames = 0x220000000000;
inline constexpr std::uint64_t image = 0x228000000000;
inline constexpr std::uint64_t stacks = 0x22803f000000;
inline constexpr std::uint64_t plugins = 0x228040000000;
inline constexpr std::uint64_t policy_memory = 0x228080000000;
inline constexpr std::uint64_t memory_policy_memory = 0x229000000000;
inline constexpr std::uint64_t ring_policy_memory = 0x22a000000000;
inline constexpr std::uint64_t net_policy_memory = 0x22b000000000;
inline constexpr std::uint64_t domains = 0x22c000000000;
inline constexpr std::uint64_t domain_stride = 64 * 1024;
inline constexpr std::uint64_t real_policy_memory = 0x22d000000000;
inline constexpr std::uint64_t block_rings = 0x22e000000000;
inline constexpr std::uint64_t block_ring_stride = 64 * 1024;
inline constexpr std::uint64_t net_ports = 0x22f000000000;
inline constexpr std::uint64_t net_port_stride = 256 * 1024;
inline constexpr std::uint64_t direct_map = 0x230000000000;
inline constexpr std::uint64_t direct_map_bytes = 10ULL << 39;

inline constexpr std::uint64_t descriptor_area_bytes = 32 * 4096;

inline constexpr unsigned reserved_gdt_page = 14;
inline constexpr std::uint16_t hypervisor_cs = 0xe008, hypervisor_ss = 0xe010;
inline constexpr std::uint16_t guest_cs32 = 0xe023, guest_ss = 0xe02b, guest_cs64 = 0xe033;
inline constexpr std::uint16_t pae_kernel_cs = 0xe019, pae_kernel_ss = 0xe021, pae_user_cs = 0xe02b,
                               pae_user_ss = 0xe033;
inline constexpr std::uint16_t first_tss = 0xe040;
inline constexpr std::uint16_t ldt_selector = 0xe800;

} // namespace bulkhead::hv::layout
