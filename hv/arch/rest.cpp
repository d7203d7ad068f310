#include "hv/arch/rest.hpp"

#include "hv/arch/apic.hpp"
#include "hv/arch/halt.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/turns.hpp"

#include <atomic>

// spin.S
extern "C" void spin(const std::atomic<std::uint32_t>* while_not_zero);
extern "C" void spin_once();

namespace bulkhead::hv {

namespace {

bool parallel = false;
std::uint64_t everyone = 0;             // a bit for each pCPU, if there are turns
std::atomic<std::uint32_t> working{0};  // pCPUs that do not rest
std::atomic<std::uint64_t> sleeping{0}; // bit n: pCPU n halts, or is about to

bool is_wanted(const Pcpu& self) { return self.has(work::dispatch | work::timer) || self.request_pending; }

// The last pCPU to come stops the turns, unless one of the others has left meanwhile.
void sleep(const Pcpu& self, RealTime due) {
    const auto bit = std::uint64_t{1} << self.id.value();
    if ((sleeping.fetch_or(bit) | bit) == everyone) {
        pause_turns();
        if (working != 0)
            resume_turns();
    }
    if (!parallel || working == 0)
        halt(due);
    sleeping.fetch_and(~bit);
}

// The first to work after a common sleep wakes the others, which spin from then on.
void leave_rest() {
    const bool first = working.fetch_add(1) == 0;
    if (first)
        resume_turns();
    await_turns();
    if (!first || !parallel)
        return;
    for (auto left = sleeping.load(); left != 0; left &= left - 1)
        send_interrupt(pcpu(PcpuId{static_cast<std::uint16_t>(__builtin_ctzll(left))}).apic_id, wake_vector);
}

} // namespace

bool does_anybody_work() { return working != 0; }

void start_resting(bool as_parallel) {
    working = pcpu_count();
    everyone = ~std::uint64_t{0} >> (64 - pcpu_count());
    parallel = as_parallel;
}

void rest(RealTime due) {
    if (everyone == 0)
        return halt(due);
    auto& self = pcpu();
    working.fetch_sub(1);
    while (!is_wanted(self))
        if (parallel && working != 0)
            spin(&working);
        else
            sleep(self, due);
    leave_rest();
}

void wait_briefly() {
    if (parallel)
        spin_once();
    else
        asm volatile("pause");
}

} // namespace bulkhead::hv
