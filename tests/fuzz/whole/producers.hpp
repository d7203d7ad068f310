// What the hypervisor reads of rings' producers: a value that was not possible when it was read must not be
// used, so none may be read once to be checked and once more to be used.
#pragma once

#include "hv/mm/frame.hpp"

#include <cstdint>
#include <string>

namespace bulkhead::hv::whole {

// What was read is forgotten: a ring is about to be connected.
void forget_producers();
// Empty if no ring was taken further than the producer that was read last allowed.
[[nodiscard]] std::string overtaken_producer();
// Before the hypervisor reads any producer for the n-th time from now on, its guest makes this change.
void change_at_read(std::uint32_t n, void (*change)());

} // namespace bulkhead::hv::whole
