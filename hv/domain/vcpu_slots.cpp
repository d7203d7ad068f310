#include "hv/domain/vcpu_slots.hpp"

namespace bulkhead::hv {

namespace {
Vcpu* slots[max_vcpu_slots];
std::uint32_t lowest_free = 1;
} // namespace

Result<std::uint32_t> take_vcpu_slot(Vcpu& vcpu) {
    while (lowest_free < max_vcpu_slots && slots[lowest_free] != nullptr)
        ++lowest_free;
    if (lowest_free == max_vcpu_slots)
        return fail(Error::no_space);
    slots[lowest_free] = &vcpu;
    return lowest_free;
}

void free_vcpu_slot(std::uint32_t slot) {
    slots[slot] = nullptr;
    if (slot < lowest_free)
        lowest_free = slot;
}

Vcpu* vcpu_in_slot(std::uint32_t slot) { return slot < max_vcpu_slots ? slots[slot] : nullptr; }

} // namespace bulkhead::hv
