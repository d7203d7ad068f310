// Frames beyond those that the builder gave: taken and given back as the guest's memory policy allows. They
// have numbers from page_count() on and are mapped by who takes them.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace bulkhead::guest::balloon {

// One more frame; nothing if there is none for this guest.
[[nodiscard]] std::optional<Mfn> take();
// A frame that `take` gave, and that is mapped nowhere.
void give_back(Mfn frame);
// An extent of 2^9 contiguous frames, aligned to their number; nothing if there is none for this guest.
[[nodiscard]] std::optional<Mfn> take_extent();
void give_extent_back(Mfn first);
// Frames that the guest has, with those of the builder.
[[nodiscard]] std::uint64_t frames();
// As many as it is to have: memory/target, as it was last seen to change.
[[nodiscard]] std::uint64_t target();
// As many as it may ever have: memory/static-max.
[[nodiscard]] std::uint64_t most_frames();

} // namespace bulkhead::guest::balloon
