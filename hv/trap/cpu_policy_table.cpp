// The features of the processor that guests see or miss, one row each. The reason stands where one is needed:
// what a guest kernel in ring 3 cannot use, or what the hypervisor does not keep apart for each vCPU, is
// absent.
#include "hv/trap/cpu_policy.hpp"

namespace bulkhead::hv {
namespace {

using enum Rule;
using enum Output;

constexpr std::uint32_t extended = 0x80000001;

constexpr FeatureRow rows[] = {
    {1, 0, c, 0, "SSE3", host, ""},
    {1, 0, c, 1, "PCLMULQDQ", host, ""},
    {1, 0, c, 3, "MONITOR", absent, "waiting is SCHEDOP_block; MWAIT would keep the pCPU"},
    {1, 0, c, 5, "VMX", absent, "no nested virtualization"},
    {1, 0, c, 9, "SSSE3", host, ""},
    {1, 0, c, 12, "FMA", host, ""},
    {1, 0, c, 13, "CX16", host, ""},
    {1, 0, c, 17, "PCID", absent, "address spaces are switched by the hypervisor"},
    {1, 0, c, 19, "SSE4_1", host, ""},
    {1, 0, c, 20, "SSE4_2", host, ""},
    {1, 0, c, 21, "X2APIC", absent, "interrupts are event channels"},
    {1, 0, c, 22, "MOVBE", host, ""},
    {1, 0, c, 23, "POPCNT", host, ""},
    {1, 0, c, 24, "TSC_DEADLINE", absent, "timers are set_timer_op"},
    {1, 0, c, 25, "AESNI", host, ""},
    {1, 0, c, 26, "XSAVE", host, ""},
    {1, 0, c, 27, "OSXSAVE", cr4, "the guest's own CR4.OSXSAVE"},
    {1, 0, c, 28, "AVX", host, ""},
    {1, 0, c, 29, "F16C", host, ""},
    {1, 0, c, 30, "RDRAND", host, ""},
    {1, 0, c, 31, "HYPERVISOR", set, ""},
    {1, 0, d, 0, "FPU", host, ""},
    {1, 0, d, 1, "VME", absent, "no virtual-8086 mode in long mode"},
    {1, 0, d, 2, "DE", host, ""},
    {1, 0, d, 3, "PSE", absent, "page tables map 4 KiB pages only"},
    {1, 0, d, 4, "TSC", host, ""},
    {1, 0, d, 5, "MSR", host, ""},
    {1, 0, d, 6, "PAE", host, ""},
    {1, 0, d, 7, "MCE", absent, "machine checks are the hypervisor's"},
    {1, 0, d, 8, "CX8", host, ""},
    {1, 0, d, 9, "APIC", host, "PV kernels expect the bit; nothing answers at its address"},
    {1, 0, d, 11, "SEP", host, ""},
    {1, 0, d, 12, "MTRR", absent, "memory types are the hypervisor's"},
    {1, 0, d, 13, "PGE", absent, "global pages are the hypervisor's"},
    {1, 0, d, 14, "MCA", absent, "machine checks are the hypervisor's"},
    {1, 0, d, 15, "CMOV", host, ""},
    {1, 0, d, 16, "PAT", host, ""},
    {1, 0, d, 17, "PSE36", absent, "page tables map 4 KiB pages only"},
    {1, 0, d, 19, "CLFLUSH", host, ""},
    {1, 0, d, 23, "MMX", host, ""},
    {1, 0, d, 24, "FXSR", host, ""},
    {1, 0, d, 25, "SSE", host, ""},
    {1, 0, d, 26, "SSE2", host, ""},
    {1, 0, d, 27, "SS", host, ""},
    {1, 0, d, 28, "HTT", absent, "no topology is promised"},
    {7, 0, b, 0, "FSGSBASE", absent, "CR4.FSGSBASE is off: bases change by hypercall"},
    {7, 0, b, 1, "TSC_ADJUST", absent, "the counter is shared"},
    {7, 0, b, 3, "BMI1", host, ""},
    {7, 0, b, 4, "HLE", absent, "transactions would make runs differ"},
    {7, 0, b, 5, "AVX2", host, ""},
    {7, 0, b, 7, "SMEP", absent, "the guest's kernel runs in ring 3"},
    {7, 0, b, 8, "BMI2", host, ""},
    {7, 0, b, 9, "ERMS", host, ""},
    {7, 0, b, 10, "INVPCID", absent, "address spaces are switched by the hypervisor"},
    {7, 0, b, 11, "RTM", absent, "transactions would make runs differ"},
    {7, 0, b, 14, "MPX", absent, "its state is not in the save area"},
    {7, 0, b, 16, "AVX512F", absent, "its state is not in the save area"},
    {7, 0, b, 18, "RDSEED", host, ""},
    {7, 0, b, 19, "ADX", host, ""},
    {7, 0, b, 20, "SMAP", absent, "the guest's kernel runs in ring 3"},
    {7, 0, b, 23, "CLFLUSHOPT", host, ""},
    {7, 0, b, 24, "CLWB", host, ""},
    {7, 0, b, 29, "SHA", host, ""},
    {7, 0, c, 2, "UMIP", absent, "always on, but a kernel that knew would itself use SGDT"},
    {7, 0, c, 3, "PKU", absent, "keys apply to user pages, and the kernel's pages are user pages"},
    {7, 0, c, 8, "GFNI", host, ""},
    {7, 0, c, 9, "VAES", host, ""},
    {7, 0, c, 10, "VPCLMULQDQ", host, ""},
    {7, 0, c, 16, "LA57", absent, "four levels of page tables"},
    {7, 0, c, 22, "RDPID", absent, "TSC_AUX is not switched between vCPUs"},
    {7, 0, d, 4, "FSRM", host, ""},
    {7, 0, d, 26, "IBRSB", absent, "MSR_SPEC_CTRL is not switched between vCPUs"},
    {7, 0, d, 29, "ARCH_CAPS", absent, "no promise about speculation is made"},
    {13, 1, a, 0, "XSAVEOPT", host, ""},
    {13, 1, a, 1, "XSAVEC", host, ""},
    {13, 1, a, 2, "XGETBV1", host, ""},
    {13, 1, a, 3, "XSAVES", absent, "needs ring 0"},
    {extended, 0, c, 0, "LAHF_LM", host, ""},
    {extended, 0, c, 2, "SVM", absent, "no nested virtualization"},
    {extended, 0, c, 5, "ABM", host, ""},
    {extended, 0, c, 6, "SSE4A", host, ""},
    {extended, 0, c, 7, "MISALIGNSSE", host, ""},
    {extended, 0, c, 8, "3DNOWPREFETCH", host, ""},
    {extended, 0, c, 11, "XOP", host, ""},
    {extended, 0, c, 16, "FMA4", host, ""},
    {extended, 0, c, 21, "TBM", host, ""},
    {extended, 0, c, 22, "TOPOEXT", absent, "no topology is promised"},
    {extended, 0, c, 29, "MONITORX", absent, "waiting is SCHEDOP_block"},
    {extended, 0, d, 11, "SYSCALL", host, ""},
    {extended, 0, d, 20, "NX", host, ""},
    {extended, 0, d, 22, "MMXEXT", host, ""},
    {extended, 0, d, 25, "FFXSR", absent, "EFER is the hypervisor's"},
    {extended, 0, d, 26, "PAGE1GB", absent, "page tables map 4 KiB pages only"},
    {extended, 0, d, 27, "RDTSCP", absent, "TSC_AUX is not switched between vCPUs"},
    {extended, 0, d, 29, "LM", host, ""},
    {extended, 0, d, 30, "3DNOWEXT", host, ""},
    {extended, 0, d, 31, "3DNOW", host, ""},
    {0x80000007, 0, d, 8, "ITSC", host, "the counter never stops or changes its rate"},
};

consteval FeatureMasks masks_of(std::uint32_t leaf, std::uint32_t subleaf) {
    FeatureMasks masks{.leaf = leaf, .subleaf = subleaf, .host = {}, .set = {}, .cr4 = {}};
    for (const auto& row : rows) {
        if (row.leaf != leaf || row.subleaf != subleaf || row.rule == absent)
            continue;
        auto& chosen = row.rule == host ? masks.host : row.rule == set ? masks.set : masks.cr4;
        word(chosen, row.output) |= 1U << row.bit;
    }
    return masks;
}

constexpr FeatureMasks masks[] = {masks_of(1, 0), masks_of(7, 0), masks_of(13, 1), masks_of(extended, 0),
                                  masks_of(0x80000007, 0)};
constexpr FeatureMasks none{};

constexpr bool has_masks(const FeatureRow& row) {
    for (const auto& each : masks)
        if (each.leaf == row.leaf && each.subleaf == row.subleaf)
            return true;
    return false;
}
static_assert([] {
    for (const auto& row : rows)
        if (!has_masks(row))
            return false;
    return true;
}());

} // namespace

std::span<const FeatureRow> feature_table() { return rows; }

const FeatureMasks& feature_masks(std::uint32_t leaf, std::uint32_t subleaf) {
    for (const auto& each : masks)
        if (each.leaf == leaf && each.subleaf == subleaf)
            return each;
    return none;
}

} // namespace bulkhead::hv
