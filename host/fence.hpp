// Which memory is a policy's to use, for AddressSanitizer: `bulkhead check` and the host's tests run policies
// under it. Elsewhere none of this exists.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define BULKHEAD_FENCED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BULKHEAD_FENCED 1
#endif
#endif

#ifdef BULKHEAD_FENCED
extern "C" {
void __asan_poison_memory_region(const volatile void* address, std::size_t bytes);
void __asan_unpoison_memory_region(const volatile void* address, std::size_t bytes);
}
#endif

namespace bulkhead::host {

#ifdef BULKHEAD_FENCED
inline constexpr std::uint32_t fence_bytes = 32; // after each object
inline void forbid(std::uint64_t address, std::uint64_t bytes) {
    __asan_poison_memory_region(reinterpret_cast<void*>(address), bytes);
}
inline void allow(std::uint64_t address, std::uint64_t bytes) {
    __asan_unpoison_memory_region(reinterpret_cast<void*>(address), bytes);
}
#else
inline constexpr std::uint32_t fence_bytes = 0;
inline void forbid(std::uint64_t, std::uint64_t) {}
inline void allow(std::uint64_t, std::uint64_t) {}
#endif

} // namespace bulkhead::host
