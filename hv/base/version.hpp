// The features and version that Bulkhead reports to guests. Features are listed only if they work for every
// guest.
#pragma once

#include <cstdint>

extern "C" {
#include <xen/version.h>
}

namespace bulkhead::hv::version {

inline constexpr std::uint32_t abi_major = 4, abi_minor = 17; // the Xen release whose ABI this is
inline constexpr const char* extra = "-bulkhead";
inline constexpr const char* capabilities = "xen-3.0-x86_64 "; // guests of these kinds can be built
inline constexpr std::uint64_t hypervisor_start = 0xffff'8000'0000'0000;

#ifdef BULKHEAD_COMMIT
inline constexpr const char* commit = BULKHEAD_COMMIT;
#else
inline constexpr const char* commit = "unknown";
#endif

// Bit n: XENFEAT n. Page tables and descriptors stay write-protected, and machine frames are the guest's to
// translate.
inline constexpr std::uint32_t features = 1U << XENFEAT_mmu_pt_update_preserve_ad |
                                          1U << XENFEAT_gnttab_map_avail_bits |
                                          1U << XENFEAT_not_direct_mapped;

} // namespace bulkhead::hv::version
