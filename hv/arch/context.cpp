#include "hv/arch/context.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/mm/paging.hpp"
#include "hv/trap/emulate_debug_registers.hpp"
#include "hv/trap/seams.hpp"

#include <bit>
#include <cstddef>

extern "C" {
bool load_selector_ds(std::uint16_t selector);
bool load_selector_es(std::uint16_t selector);
bool load_selector_fs(std::uint16_t selector);
bool load_selector_gs(std::uint16_t selector);
}

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t efer_syscall = 1; // EFER.SCE

// Of the mask's upper half, edx, nothing is enabled: it may hold anything.
void save_fpu(const Vcpu& vcpu) {
    if (features().xsave)
        asm volatile("xsave64 (%0)" ::"r"(vcpu.processor.fpu_state), "a"(vector_states) : "memory");
    else
        asm volatile("fxsave64 (%0)" ::"r"(vcpu.processor.fpu_state) : "memory");
}

void restore_fpu(const Vcpu& vcpu) {
    if (features().xsave)
        asm volatile("xrstor64 (%0)" ::"r"(vcpu.processor.fpu_state), "a"(vector_states) : "memory");
    else
        asm volatile("fxrstor64 (%0)" ::"r"(vcpu.processor.fpu_state) : "memory");
}

void set_task_switched() { cpu::write_cr0(cpu::read_cr0() | cpu::cr0::ts); }

bool has_breakpoints(const Vcpu& vcpu) { return (vcpu.processor.debug[7] & 0xff) != 0; }
void disable_breakpoints() { asm volatile("mov %0, %%dr7" ::"r"(0x400UL)); }

// What few guests ask for, looked for at once because it is part of every switch.
bool is_unusual(const Vcpu& vcpu) {
    std::uint16_t flags;
    static_assert(offsetof(ProcessorState, pae) == offsetof(ProcessorState, task_switched) + 1);
    __builtin_memcpy(&flags, &vcpu.processor.task_switched, sizeof flags);
    return (static_cast<std::uint8_t>(vcpu.processor.debug[7]) | flags) != 0;
}

// Ring 1 is supervisor to paging. Under SMEP and SMAP a kernel there could not touch its applications' pages,
// so both are off while such a vCPU is loaded. SYSCALL and SYSENTER, which do not tell ring 1 from ring 3,
// are off as well.
void enter_pae() {
    cpu::write_cr4(cpu::read_cr4() & ~(cpu::cr4::smep | cpu::cr4::smap));
    cpu::wrmsr(cpu::msr::efer, cpu::rdmsr(cpu::msr::efer) & ~efer_syscall);
    cpu::wrmsr(cpu::msr::sysenter_cs, 0);
    load_gates(true);
}

void leave_pae() {
    if (features().smap)
        cpu::clac(); // such a guest may have set AC, which counts from here on
    cpu::write_cr4(cpu::read_cr4() | (features().smep ? cpu::cr4::smep : 0) |
                   (features().smap ? cpu::cr4::smap : 0));
    cpu::wrmsr(cpu::msr::efer, cpu::rdmsr(cpu::msr::efer) | efer_syscall);
    cpu::wrmsr(cpu::msr::sysenter_cs, layout::hypervisor_cs);
    load_gates(false);
}

[[gnu::noinline]] void leave_unusual(const Vcpu& vcpu) {
    if (vcpu.processor.pae)
        leave_pae();
    if (has_breakpoints(vcpu))
        disable_breakpoints();
    cpu::clts(); // XSAVE, too, would trap
}

[[gnu::noinline]] void enter_unusual(const Vcpu& vcpu) {
    if (vcpu.processor.pae)
        enter_pae();
    if (has_breakpoints(vcpu))
        load_debug_registers(vcpu);
    if (vcpu.processor.task_switched)
        set_task_switched();
}

constexpr std::uint16_t last_null_selector = 3;

// A register that held a null selector keeps nothing but its base, which is loaded separately.
void load_selectors(const Pcpu& self, const Selectors& to) {
    if ((std::bit_cast<std::uint64_t>(to) | std::bit_cast<std::uint64_t>(self.left_selectors)) == 0)
        [[likely]]
        return;
    const auto& from = self.left_selectors;
    if ((to.ds | from.ds) != 0)
        static_cast<void>(load_selector_ds(to.ds));
    if ((to.es | from.es) != 0)
        static_cast<void>(load_selector_es(to.es));
    if ((to.fs | from.fs) != 0)
        static_cast<void>(load_selector_fs(to.fs));
    if ((to.gs | from.gs) != 0)
        static_cast<void>(load_selector_gs(to.gs));
}

// A register of a 32-bit guest that holds a selector has its descriptor's base, also in a vCPU that never
// ran.
void load_pae_bases(const Vcpu& vcpu) {
    const auto& [ds, es, fs, gs] = vcpu.processor.selectors;
    if (fs <= last_null_selector)
        cpu::wrmsr(cpu::msr::fs_base, vcpu.processor.fs_base);
    if (gs <= last_null_selector)
        cpu::wrmsr(cpu::msr::gs_base,
                   vcpu.processor.in_kernel ? vcpu.processor.gs_base_kernel : vcpu.processor.gs_base_user);
}

} // namespace

void save_segment_bases(Vcpu& vcpu) {
    vcpu.processor.fs_base = cpu::read_fs_base();
    (vcpu.processor.in_kernel ? vcpu.processor.gs_base_kernel : vcpu.processor.gs_base_user) =
        cpu::read_gs_base();
}

void load_segment_bases(const Vcpu& vcpu) {
    cpu::wrmsr(cpu::msr::fs_base, vcpu.processor.fs_base);
    cpu::wrmsr(cpu::msr::gs_base,
               vcpu.processor.in_kernel ? vcpu.processor.gs_base_kernel : vcpu.processor.gs_base_user);
}

void set_fs_base(Vcpu& vcpu, std::uint64_t base) {
    vcpu.processor.fs_base = base;
    cpu::wrmsr(cpu::msr::fs_base, base);
}

void set_kernel_gs_base(Vcpu& vcpu, std::uint64_t base) {
    vcpu.processor.gs_base_kernel = base;
    cpu::wrmsr(cpu::msr::gs_base, base);
}

void save_selectors(Vcpu& vcpu) {
    auto& into = vcpu.processor.selectors;
    cpu::read_selectors(into.ds, into.es, into.fs, into.gs);
}

void save_context(Pcpu& self, Vcpu& vcpu) {
    save_selectors(vcpu);
    self.left_selectors = vcpu.processor.selectors;
    save_segment_bases(vcpu);
    if (is_unusual(vcpu)) [[unlikely]]
        leave_unusual(vcpu);
    save_fpu(vcpu);
}

void load_context(Pcpu& self, Vcpu& vcpu) {
    vcpu.hypervisor_stack = stack_top();
    self.space.store(vcpu.domain->id.value(),
                     std::memory_order_seq_cst); // before any of its translations exist
    const auto root = (vcpu.processor.in_kernel ? vcpu.tables.kernel_root : vcpu.tables.user_root).value()
                      << page_shift;
    if (self.root != root)
        machine::load_root(Mfn{root >> page_shift});
    load_gdt_of(vcpu);
    load_ldt_of(vcpu);
    load_selectors(self, vcpu.processor.selectors);
    if (!vcpu.domain->pae) [[likely]]
        load_segment_bases(vcpu);
    else
        load_pae_bases(vcpu);
    restore_fpu(vcpu);
    if (is_unusual(vcpu)) [[unlikely]]
        enter_unusual(vcpu);
    select_vcpu_entry(vcpu);
}

void load_idle_root() {
    if (pcpu().root == idle_root().value() << page_shift)
        return;
    machine::load_root(idle_root());
    pcpu().space.store(no_guest, std::memory_order_release);
}

// The registers are the vCPU's own while it runs, so it can only be the guest's TS.
bool handle_device_not_available(Vcpu& vcpu) {
    cpu::clts(); // the ABI clears TS before it delivers #NM
    const bool asked_for = vcpu.processor.task_switched;
    vcpu.processor.task_switched = false;
    return !asked_for;
}

void apply_task_switched(const Vcpu& vcpu) {
    if (vcpu.processor.task_switched)
        set_task_switched();
    else
        cpu::clts();
}

bool load_user_gs(Vcpu& vcpu, std::uint16_t selector) {
    const auto kernel_base = cpu::read_gs_base();
    const bool loaded = load_selector_gs(selector);
    vcpu.processor.gs_base_user = loaded && selector > 3 ? cpu::read_gs_base() : 0;
    cpu::wrmsr(cpu::msr::gs_base, kernel_base);
    return loaded;
}

void load_debug_registers(const Vcpu& vcpu) {
    asm volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3; mov %4, %%dr7" ::"r"(
                     vcpu.processor.debug[0]),
                 "r"(vcpu.processor.debug[1]), "r"(vcpu.processor.debug[2]), "r"(vcpu.processor.debug[3]),
                 "r"(hardware_control(vcpu.processor.debug[7])));
}

std::uint64_t take_debug_status() {
    std::uint64_t status;
    asm volatile("mov %%dr6, %0; mov %1, %%dr6" : "=&r"(status) : "r"(0xffff0ff0UL));
    return status;
}

std::uint64_t guest_tsc(const Vcpu&) {
    return machine::tsc();
} // RDTSC is not trapped: pvclock carries the time mode

std::uint64_t host_page_attributes() { return cpu::rdmsr(cpu::msr::page_attributes); }

void toggle_guest_mode(Vcpu& vcpu) {
    auto& processor = vcpu.processor;
    const auto base = cpu::read_gs_base();
    if (processor.in_kernel) {
        processor.in_kernel = false;
        processor.gs_base_kernel = base;
        cpu::wrmsr(cpu::msr::gs_base, processor.gs_base_user);
        machine::load_root(vcpu.tables.user_root);
    } else {
        processor.in_kernel = true;
        processor.gs_base_user = base;
        cpu::wrmsr(cpu::msr::gs_base, processor.gs_base_kernel);
        machine::load_root(vcpu.tables.kernel_root);
        if (vcpu.runstate.late || vcpu.time_area.late) [[unlikely]]
            publish_late(vcpu);
    }
}

} // namespace bulkhead::hv
