// The MSRs that a guest's kernel may name. Values are the guest's own or constants; the processor's are never
// written here, and never read except the time-stamp counter.
#include "hv/domain/domain.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/cpu_policy.hpp"
#include "hv/trap/seams.hpp"

namespace bulkhead::hv {
namespace {

enum Msr : std::uint32_t {
    time_stamp_counter = 0x10,
    apic_base = 0x1b,
    feature_control = 0x3a,
    microcode_revision = 0x8b,
    platform_info = 0xce,
    machine_check_capability = 0x179,
    sysenter_cs = 0x174,
    sysenter_esp = 0x175,
    sysenter_eip = 0x176,
    misc_features_enables = 0x140,
    misc_enable = 0x1a0,
    page_attributes = 0x277,
    efer = 0xc0000080,
    star = 0xc0000081,
    lstar = 0xc0000082,
    cstar = 0xc0000083,
    syscall_mask = 0xc0000084,
    fs_base = 0xc0000100,
    gs_base = 0xc0000101,
    kernel_gs_base = 0xc0000102,
    hardware_configuration = 0xc0010015,
    northbridge_configuration = 0xc001001f,
    interrupt_pending = 0xc0010055,
    decode_configuration = 0xc0011029,
};

constexpr const char* ignored = "ignored: system calls are registered by hypercall";
constexpr const char* zero_only = "0, which changes nothing";

constexpr MsrRow rows[] = {
    {time_stamp_counter, "IA32_TIME_STAMP_COUNTER", "the counter", ""},
    {apic_base, "IA32_APIC_BASE", "enabled, at 0xfee00000; boot processor on vCPU 0", ""},
    {feature_control, "IA32_FEATURE_CONTROL", "locked, everything off", ""},
    {microcode_revision, "IA32_BIOS_SIGN_ID", "0", zero_only},
    {platform_info, "MSR_PLATFORM_INFO", "0: no CPUID faulting", ""},
    {misc_features_enables, "MSR_MISC_FEATURES_ENABLES", "0", zero_only},
    {sysenter_cs, "IA32_SYSENTER_CS", "0", ignored},
    {sysenter_esp, "IA32_SYSENTER_ESP", "0", ignored},
    {sysenter_eip, "IA32_SYSENTER_EIP", "0", ignored},
    {machine_check_capability, "IA32_MCG_CAP", "0: no banks", ""},
    {misc_enable, "IA32_MISC_ENABLE", "fast strings; no branch trace or PEBS", "the same value only"},
    {page_attributes, "IA32_PAT", "the processor's", "the same value only"},
    {efer, "IA32_EFER", "SCE, LME, LMA and NXE", "the same value only"},
    {star, "IA32_STAR", "0", ignored},
    {lstar, "IA32_LSTAR", "0", ignored},
    {cstar, "IA32_CSTAR", "0", ignored},
    {syscall_mask, "IA32_FMASK", "0", ignored},
    {fs_base, "IA32_FS_BASE", "the vCPU's", "a canonical address"},
    {gs_base, "IA32_GS_BASE", "the kernel's", "a canonical address"},
    {kernel_gs_base, "IA32_KERNEL_GS_BASE", "the applications'", "a canonical address"},
    {hardware_configuration, "HWCR", "TscFreqSel", "the same value only"},
    {northbridge_configuration, "NB_CFG", "0", zero_only},
    {interrupt_pending, "INT_PENDING_MSG", "0", zero_only},
    {decode_configuration, "DE_CFG", "LFENCE is serializing", "the same value only"},
};

// What a read gives where it is the same for every guest; the value that "the same value only" compares with.
std::optional<std::uint64_t> constant(std::uint32_t index) {
    switch (index) {
    case feature_control:
        return 1;
    case microcode_revision:
    case platform_info:
    case misc_features_enables:
    case machine_check_capability:
    case sysenter_cs:
    case sysenter_esp:
    case sysenter_eip:
    case star:
    case lstar:
    case cstar:
    case syscall_mask:
    case northbridge_configuration:
    case interrupt_pending:
        return 0;
    case misc_enable:
        return 1 << 0 | 1 << 11 | 1 << 12;
    case page_attributes:
        return host_page_attributes();
    case efer:
        return 0xd01;
    case hardware_configuration:
        return 1 << 24;
    case decode_configuration:
        return 1 << 1;
    default:
        return {};
    }
}

bool is_ignored(std::uint32_t index) {
    return (index >= star && index <= syscall_mask) || (index >= sysenter_cs && index <= sysenter_eip);
}

bool is_writable(std::uint32_t index) {
    for (const auto& row : rows)
        if (row.index == index)
            return row.write[0] != '\0';
    return false;
}

// The base that an MSR names, or nullptr. The guest's kernel executes this, so its own gs base is the active
// one.
std::uint64_t* base_of(Vcpu& vcpu, std::uint32_t index) {
    switch (index) {
    case fs_base:
        return &vcpu.processor.fs_base;
    case gs_base:
        return &vcpu.processor.gs_base_kernel;
    case kernel_gs_base:
        return &vcpu.processor.gs_base_user;
    default:
        return nullptr;
    }
}

} // namespace

std::span<const MsrRow> msr_table() { return rows; }

std::optional<std::uint64_t> read_msr(Vcpu& vcpu, std::uint32_t index) {
    if (const auto* base = base_of(vcpu, index)) {
        save_segment_bases(vcpu);
        return *base;
    }
    switch (index) {
    case time_stamp_counter:
        return guest_tsc(vcpu);
    case apic_base:
        return 0xfee00800 | (vcpu.id.value() == 0 ? 1U << 8 : 0U);
    default:
        return constant(index);
    }
}

bool write_msr(Vcpu& vcpu, std::uint32_t index, std::uint64_t value) {
    if (base_of(vcpu, index)) {
        if (!is_canonical(value))
            return false;
        save_segment_bases(vcpu);
        *base_of(vcpu, index) = value;
        load_segment_bases(vcpu);
        return true;
    }
    return is_ignored(index) || (is_writable(index) && constant(index) == value);
}

} // namespace bulkhead::hv
