// The processor as a guest sees it: the CPUID leaves and the MSRs that it may read or write. Each has one
// table; docs/cpu-policy.md lists the same rows and a test compares the two. Nothing is offered that does not
// work for a kernel in ring 3.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace bulkhead::hv {

struct Vcpu;

struct CpuidLeaf {
    std::uint32_t a, b, c, d;
};

// The processor's own answer (cpu_policy_host.cpp; the unit tests have a double).
[[nodiscard]] CpuidLeaf host_cpuid(std::uint32_t leaf, std::uint32_t subleaf);

// What the guest is told.
[[nodiscard]] CpuidLeaf guest_cpuid(const Vcpu& vcpu, std::uint32_t leaf, std::uint32_t subleaf);

enum class Rule : std::uint8_t {
    host,   // as the processor has it
    set,    // always
    absent, // never, whatever the processor has: the reason is in `why`
    cr4,    // follows the guest's CR4
};

enum class Output : std::uint8_t { a, b, c, d };

// One feature bit. Bits of the same leaf that no row names are clear.
struct FeatureRow {
    std::uint32_t leaf, subleaf;
    Output output;
    std::uint8_t bit;
    const char* name;
    Rule rule;
    const char* why; // empty for what needs no reason
};
[[nodiscard]] std::span<const FeatureRow> feature_table();

[[nodiscard]] constexpr std::uint32_t& word(CpuidLeaf& leaf, Output output) {
    switch (output) {
    case Output::a:
        return leaf.a;
    case Output::b:
        return leaf.b;
    case Output::c:
        return leaf.c;
    case Output::d:
        break;
    }
    return leaf.d;
}

// The rows of one leaf as masks, by rule; those of `absent` need none.
struct FeatureMasks {
    std::uint32_t leaf, subleaf;
    CpuidLeaf host, set, cr4;
};
[[nodiscard]] const FeatureMasks& feature_masks(std::uint32_t leaf, std::uint32_t subleaf);

// State components of XSAVE: x87, SSE, AVX, as far as the processor has them. The only value that XSETBV
// accepts.
[[nodiscard]] std::uint64_t extended_state();

// The bits of CR4 that stay on whatever a guest writes; UMIP is one where the processor has it.
[[nodiscard]] std::uint64_t fixed_cr4();
// CR4 as a guest's kernel finds it: extended states are on, as kernels take OSXSAVE as found, and DE is off.
[[nodiscard]] std::uint64_t first_cr4();
// What becomes of a value that a guest writes to CR4: bits that it may not have stay off.
[[nodiscard]] std::uint64_t accepted_cr4(std::uint64_t value);

// One MSR. Everything that no row names raises #GP, for reads and for writes.
struct MsrRow {
    std::uint32_t index;
    const char* name;
    const char* read;  // what a read gives; empty: #GP
    const char* write; // what a write does; empty: #GP
};
[[nodiscard]] std::span<const MsrRow> msr_table();

// nullopt and false mean #GP.
[[nodiscard]] std::optional<std::uint64_t> read_msr(Vcpu& vcpu, std::uint32_t index);
[[nodiscard]] bool write_msr(Vcpu& vcpu, std::uint32_t index, std::uint64_t value);

} // namespace bulkhead::hv
