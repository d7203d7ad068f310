#include "hv/mm/tlb.hpp"

#include "abi/landmark.hpp"

#include <array>
#include <atomic>

namespace bulkhead::hv::tlb {

namespace {

constinit std::atomic<std::uint32_t> now{1};
constinit std::array<std::atomic<std::uint32_t>, landmark::max_pcpus> flushed{};

// Readings are compared by their difference, so none may stay behind by half the clock's range.
constexpr std::uint32_t refresh_every = std::uint32_t{1} << 28;

bool may_be_stale(std::size_t pcpu, std::uint32_t last_use) {
    return static_cast<std::int32_t>(flushed[pcpu].load(std::memory_order_acquire) - last_use) <= 0;
}

} // namespace

std::uint32_t clock() { return now.load(std::memory_order_acquire); }

std::uint32_t begin_flush() { return now.fetch_add(1, std::memory_order_acq_rel) + 1; }

void end_flush(std::uint32_t begun) {
    flushed[machine::this_pcpu().value()].store(begun, std::memory_order_release);
}

void before_reuse(std::uint32_t last_use) {
    const auto in_use = machine::pcpus_using_any();
    Mask stale = 0;
    for (auto left = in_use; left != 0; left &= left - 1) {
        const auto pcpu = static_cast<unsigned>(__builtin_ctzll(left));
        const bool left_behind = clock() - flushed[pcpu].load(std::memory_order_acquire) > refresh_every;
        if (may_be_stale(pcpu, last_use) || left_behind)
            stale |= Mask{1} << pcpu;
    }
    if (stale != 0)
        flush_mask(stale);
}

} // namespace bulkhead::hv::tlb
