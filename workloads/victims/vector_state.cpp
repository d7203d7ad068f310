// Keeps values of its own in all sixteen YMM registers while it computes, and counts those that come back
// changed: a host that mixes up two guests' vector state, or loses the upper halves, shows at once.
#include "guest/runtime/print.hpp"
#include "workloads/work.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option seed{"seed", "1", "1", "what the values are made of; give each guest its own"};
constexpr Option options_[] = {seed};

constexpr unsigned registers = 16, words = 4;
using State = std::uint64_t[registers][words];

bool has_avx() {
    std::uint32_t a = 1, c = 0;
    asm volatile("cpuid" : "+a"(a), "+c"(c) : : "rbx", "rdx");
    constexpr std::uint32_t avx_and_osxsave = 1U << 28 | 1U << 27;
    return (c & avx_and_osxsave) == avx_and_osxsave;
}

// The compiler uses no vector registers, so loaded values stay until the host or another guest changes them.
#define EACH_REGISTER(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define LOAD(n) "vmovdqu 32*" #n "(%0), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", 32*" #n "(%0)\n\t"
void load(const State& state) { asm volatile(EACH_REGISTER(LOAD) : : "r"(&state) : "memory"); }
void store(State& state) { asm volatile(EACH_REGISTER(STORE) : : "r"(&state) : "memory"); }
#undef LOAD
#undef STORE
#undef EACH_REGISTER

// What a kernel does when it switches applications. It must find the guest's own registers even if it is the
// first to touch them since the processor was taken away; an emulator that does not trap it would show
// another's.
struct alignas(64) Saved {
    std::uint64_t words[104]; // legacy area, header, upper halves
    [[nodiscard]] std::uint64_t low(unsigned reg, unsigned word) const { return words[20 + 2 * reg + word]; }
};
void save(Saved& area) { asm volatile("xsave64 (%0)" : : "r"(&area), "a"(7), "d"(0) : "memory"); }

void fill(State& state, std::uint64_t value) {
    for (auto& lanes : state)
        for (auto& lane : lanes)
            lane = value = value * 6364136223846793005u + 1442695040888963407u;
}

unsigned differing(const State& state, const Saved& saved) {
    unsigned count = 0;
    for (unsigned i = 0; i < registers; ++i)
        for (unsigned j = 0; j < 2; ++j)
            count += state[i][j] != saved.low(i, j);
    return count;
}

unsigned differing(const State& left, const State& right) {
    unsigned count = 0;
    for (unsigned i = 0; i < registers; ++i)
        for (unsigned j = 0; j < words; ++j)
            count += left[i][j] != right[i][j];
    return count;
}

void run() {
    if (!has_avx()) {
        guest::print("RESULT name=vector_state skipped=no_avx\n");
        return;
    }
    static constinit State mine{}, found{};
    static constinit Saved saved{};
    std::uint64_t rounds = 0, wrong = 0;
    do {
        fill(mine, seed.number() + rounds);
        load(mine);
        for (int i = 0; i < 100; ++i)
            operation();
        save(saved);
        store(found);
        wrong += differing(mine, saved) + differing(mine, found);
        ++rounds;
    } while (!over());
    guest::print("RESULT name=vector_state rounds={} wrong={}\n", rounds, wrong);
}

constexpr Workload vector_state{Kind::victim, "vector_state", "checks that its vector registers stay its own",
                                options_, run};
BULKHEAD_WORKLOAD(vector_state)

} // namespace
} // namespace bulkhead::workload
