// Copies to and from the current guest, with supervisor access opened only for the copy.
#include "hv/arch/usercopy.hpp"

#include "hv/arch/cpu.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/linear.hpp"

#include <atomic>

extern "C" {
bool user_copy(void* to, const void* from, std::size_t bytes);
bool user_copy_words(void* to, const void* from, std::size_t words);
bool user_copy_4(void* to, const void* from);
bool user_copy_8(void* to, const void* from);
bool user_copy_smap(void* to, const void* from, std::size_t bytes);
bool user_copy_without_smap(void* to, const void* from, std::size_t bytes);

// SMAP is there, and copies ask about no address: what usercopy.S looks at first.
[[gnu::used]] constinit std::atomic<bool> copies_are_plain{false};
}

namespace bulkhead::hv::machine {

namespace {

// The whole range is canonical and outside the hypervisor's slots.
bool is_guest_range(std::uint64_t address, std::size_t bytes) {
    constexpr std::uint64_t lower_bytes = std::uint64_t{1} << 47, upper_bytes = -layout::hypervisor_end;
    return bytes < upper_bytes &&
           (address - layout::hypervisor_end < upper_bytes - bytes || address <= lower_bytes - bytes);
}

bool copy_unasked(void* to, const void* from, std::size_t bytes) {
    return features().smap ? user_copy_smap(to, from, bytes) : user_copy_without_smap(to, from, bytes);
}

// The processor would let the hypervisor read its own tables where a linear entry shows them. Nothing can be
// written there. An address of the hypervisor's is behind none of its slots.
[[gnu::noinline]] bool copy_asking(void* to, const void* from, std::size_t bytes) {
    const auto& slots = pcpu().loaded->domain->memory.linear_slots;
    for (const void* address : {static_cast<const void*>(to), from})
        if (may_reach_hypervisor(slots, GuestAddress{reinterpret_cast<std::uint64_t>(address)}, bytes))
            return false;
    return copy_unasked(to, from, bytes);
}

// The slow half of the copies in usercopy.S, which go on here. A domain without linear entries pays for
// another's as little as possible.
extern "C" [[gnu::used]] bool copy_carefully(void* to, const void* from, std::size_t bytes) {
    if (pcpu().loaded->domain->memory.linear_slots.any()) [[unlikely]]
        return copy_asking(to, from, bytes);
    return copy_unasked(to, from, bytes);
}

} // namespace

namespace {

// Where the compiler knows the size, it chooses the shortest way.
[[gnu::always_inline]] inline bool copy(void* to, const void* from, std::size_t bytes) {
    if (!__builtin_constant_p(bytes))
        return user_copy(to, from, bytes);
    if (bytes == 4)
        return user_copy_4(to, from);
    if (bytes == 8)
        return user_copy_8(to, from);
    return bytes % 8 == 0 ? user_copy_words(to, from, bytes / 8) : user_copy(to, from, bytes);
}

} // namespace

bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes) {
    const auto address = from.value();
    return is_guest_range(address, bytes) && copy(to, reinterpret_cast<const void*>(address), bytes);
}

bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes) {
    const auto address = to.value();
    return is_guest_range(address, bytes) && copy(reinterpret_cast<void*>(address), from, bytes);
}

void check_copies() { copies_are_plain.store(false, std::memory_order_seq_cst); }

} // namespace bulkhead::hv::machine

namespace bulkhead::hv {

void start_copies() { copies_are_plain.store(features().smap, std::memory_order_seq_cst); }

} // namespace bulkhead::hv
