// Copies to and from the current guest, with supervisor access opened only for the copy.
#include "hv/arch/cpu.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/layout.hpp"
#include "hv/base/machine.hpp"

extern "C" {
bool user_copy(void* to, const void* from, std::size_t bytes);
bool user_copy_word(void* to, const void* from);
}

namespace bulkhead::hv::machine {

namespace {

// The whole range is canonical and outside the hypervisor's slots.
bool is_guest_range(std::uint64_t address, std::size_t bytes) {
    const auto end = address + bytes;
    if (end < address)
        return false;
    return end <= 0x0000800000000000 || address >= layout::hypervisor_end;
}

bool copy(void* to, const void* from, std::size_t bytes, std::uint64_t aligned) {
    if (features().smap)
        cpu::stac();
    const bool done =
        bytes == 8 && (aligned & 7) == 0 ? user_copy_word(to, from) : user_copy(to, from, bytes);
    if (features().smap)
        cpu::clac();
    return done;
}

} // namespace

bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes) {
    const auto address = from.value();
    return is_guest_range(address, bytes) && copy(to, reinterpret_cast<const void*>(address), bytes, address);
}

bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes) {
    const auto address = to.value();
    return is_guest_range(address, bytes) && copy(reinterpret_cast<void*>(address), from, bytes, address);
}

} // namespace bulkhead::hv::machine
