// Stale translations. A frame may change its type or owner only when no processor can still reach it through
// an old entry; flushes are put off until then, because guests mostly flush by themselves first.
#pragma once

#include "hv/base/machine.hpp"

#include <cstdint>

namespace bulkhead::hv::tlb {

// Grows with every full flush on any processor. A frame let go at some reading of the clock has no stale
// translations on processors that began a full flush later.
[[nodiscard]] std::uint32_t clock();

// Bracket a full flush of this processor, of which the loading of a root is one (a guest's translations are
// never global). For hv/arch, which carries flushes out.
[[nodiscard]] std::uint32_t begin_flush();
void end_flush(std::uint32_t begun);

using Mask = std::uint64_t; // of processors

inline void flush_mask(Mask mask) { machine::flush_tlb_on(mask); }
inline void flush_page_mask(Mask mask, GuestAddress at) { machine::flush_tlb_page_on(mask, at); }

// To be called before a frame that was let go at `last_use` serves another purpose: flushes the processors
// that may still reach it.
void before_reuse(std::uint32_t last_use);

} // namespace bulkhead::hv::tlb
