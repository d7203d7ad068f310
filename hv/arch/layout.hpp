// The hypervisor's part of every address space: slots 256 to 271 of each L4, 0xffff800000000000 to
// 0xffff87ffffffffff. One set of tables serves all domains, so nothing here changes on a context switch.
#pragma once

#include <cstdint>

namespace bulkhead::hv::layout {

inline constexpr std::uint64_t hypervisor_start = 0xffff800000000000;
inline constexpr std::uint64_t hypervisor_end = 0xffff880000000000;
inline constexpr unsigned first_slot = 256, last_slot = 271;

inline constexpr std::uint64_t m2p = 0xffff800000000000;           // slot 256: read-only for guests
inline constexpr std::uint64_t policy_stacks = 0xffff810000000000; // slot 258: of hooks, strict guard only
inline constexpr std::uint64_t policy_stack_stride = 1ULL << 30;   // from one pCPU's to the next
inline constexpr std::uint64_t frames = 0xffff820000000000;        // slot 260: the frame table
inline constexpr std::uint64_t image = 0xffff828000000000;   // slot 261: physical 0 upward, the image itself
inline constexpr std::uint64_t stacks = 0xffff82803f000000;  // slot 261, end of its first GiB: stack areas
inline constexpr std::uint64_t plugins = 0xffff828040000000; // slot 261, second GiB: policy files
inline constexpr std::uint64_t policy_memory = 0xffff828080000000; // from the third GiB: what schedulers keep
inline constexpr std::uint64_t memory_policy_memory = 0xffff829000000000; // and what memory policies keep
inline constexpr std::uint64_t ring_policy_memory = 0xffff82a000000000;   // ring policies of the drive
inline constexpr std::uint64_t net_policy_memory = 0xffff82b000000000;    // and of the switch
inline constexpr std::uint64_t domains = 0xffff82c000000000; // slot 261, its second half: domain structures
inline constexpr std::uint64_t domain_stride = 64 * 1024;
inline constexpr std::uint64_t real_policy_memory =
    0xffff82d000000000;                                          // what ring policies of real disks keep
inline constexpr std::uint64_t block_rings = 0xffff82e000000000; // slot 261, last eighth: states of rings
inline constexpr std::uint64_t block_ring_stride = 64 * 1024;
inline constexpr std::uint64_t net_ports = 0xffff82f000000000; // its last half: states of network interfaces
inline constexpr std::uint64_t net_port_stride = 256 * 1024;
inline constexpr std::uint64_t descriptors = 0xffff818000000000; // slot 259: descriptor areas of vCPUs
inline constexpr std::uint64_t direct_map = 0xffff830000000000;  // slots 262 to 271: all of RAM
inline constexpr std::uint64_t direct_map_bytes = 10ULL << 39;

// A vCPU's descriptor area: 16 pages of GDT (14 of the guest's, then the hypervisor's), 16 of LDT.
inline constexpr std::uint64_t descriptor_area_bytes = 32 * 4096;

// Selectors in the hypervisor's part of every GDT. The flat ones are fixed by the ABI
// (xen/arch-x86/xen-x86_64.h).
inline constexpr unsigned reserved_gdt_page = 14;
inline constexpr std::uint16_t hypervisor_cs = 0xe008, hypervisor_ss = 0xe010;
inline constexpr std::uint16_t guest_cs32 = 0xe023, guest_ss = 0xe02b, guest_cs64 = 0xe033;
// In that of a 32-bit guest the same places hold ring 1's and ring 3's, all of 32 bits
// (xen/arch-x86/xen-x86_32.h). No 64-bit code but the hypervisor's own is there.
inline constexpr std::uint16_t pae_kernel_cs = 0xe019, pae_kernel_ss = 0xe021, pae_user_cs = 0xe02b,
                               pae_user_ss = 0xe033;
inline constexpr std::uint16_t first_tss = 0xe040;    // one of 16 bytes per pCPU
inline constexpr std::uint16_t ldt_selector = 0xe800; // one of 16 bytes per pCPU

} // namespace bulkhead::hv::layout
