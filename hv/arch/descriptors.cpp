#include "hv/arch/descriptors.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

#include <array>

extern "C" {
extern char vector_stubs[], syscall_stubs[], syscall_compat_stubs[], sysenter_stubs[];
struct SyscallSlot {
    std::uint64_t saved_sp;
    std::uint64_t regs_end;
    std::uint64_t padding[6];
};
extern SyscallSlot syscall_slots[bulkhead::landmark::max_pcpus];
}

namespace bulkhead::hv {

namespace {

struct [[gnu::packed]] TaskState {
    std::uint32_t reserved0;
    std::uint64_t rsp[3];
    std::uint64_t reserved1;
    std::uint64_t ist[7];
    std::uint64_t reserved2;
    std::uint16_t reserved3, io_map;
};
static_assert(sizeof(TaskState) == 104);

struct Gate {
    std::uint64_t low, high;
};

constexpr std::size_t vector_stub_bytes = 16, syscall_stub_bytes = 32;
std::array<TaskState, landmark::max_pcpus + 1> task_states;
std::array<Gate, 256> gates;
std::uint64_t* shared_page = nullptr; // 512 descriptors: selectors 0xe000 to 0xeff8

std::uint64_t* descriptor(std::uint16_t selector) { return shared_page + (selector & 0xff8) / 8; }

// A 16-byte system descriptor (TSS: type 9, LDT: type 2).
void set_system(std::uint16_t selector, std::uint64_t base, std::uint32_t limit, std::uint64_t type) {
    auto* d = descriptor(selector);
    d[0] = (limit & 0xffff) | ((base & 0xffffff) << 16) | (type << 40) | (1ULL << 47) |
           (static_cast<std::uint64_t>(limit >> 16) << 48) | (((base >> 24) & 0xff) << 56);
    d[1] = base >> 32;
}

void set_gate(unsigned vector, unsigned privilege, unsigned ist) {
    const auto target = reinterpret_cast<std::uint64_t>(vector_stubs) + vector * vector_stub_bytes;
    gates[vector].low = (target & 0xffff) | (static_cast<std::uint64_t>(layout::hypervisor_cs) << 16) |
                        (static_cast<std::uint64_t>(ist) << 32) | (14ULL << 40) |
                        (static_cast<std::uint64_t>(privilege) << 45) | (1ULL << 47) |
                        (((target >> 16) & 0xffff) << 48);
    gates[vector].high = target >> 32;
}

constexpr std::uint16_t per_pcpu(std::uint16_t first, PcpuId id) {
    return static_cast<std::uint16_t>(first + id.value() * 16);
}

} // namespace

void start_descriptors() {
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        machine::panic("no memory for the descriptor page");
    shared_page = machine::frame_as<std::uint64_t>(*frame);
    *descriptor(layout::hypervisor_cs) = 0x00af9b000000ffff; // ring 0, 64-bit code
    *descriptor(layout::hypervisor_ss) = 0x00cf93000000ffff;
    *descriptor(layout::guest_cs32) = 0x00cffb000000ffff; // ring 3, flat
    *descriptor(layout::guest_ss) = 0x00cff3000000ffff;
    *descriptor(layout::guest_cs64) = 0x00affb000000ffff;
    if (!prepare_descriptor_area(0))
        machine::panic("no memory for the descriptor tables");
    for (unsigned vector = 0; vector < 256; ++vector)
        set_gate(vector, vector == 3 || vector == 4 ? 3 : 0, 0);
    set_gate(1, 0, 4);  // debug
    set_gate(2, 0, 1);  // NMI
    set_gate(8, 0, 2);  // double fault
    set_gate(18, 0, 3); // machine check
}

Result<> prepare_descriptor_area(std::uint32_t slot) {
    const auto area = layout::descriptors + slot * layout::descriptor_area_bytes;
    if (!reserve_hypervisor(area, layout::descriptor_area_bytes))
        return fail(Error::no_memory);
    machine::map_descriptors(slot, false, nullptr, 0);
    map_hypervisor(area + layout::reserved_gdt_page * page_bytes,
                   machine::frame_of(shared_page).value() << page_shift, page_bytes, Access::read_write);
    return {};
}

void use_exception_stacks(std::uint64_t area) {
    for (unsigned i = 0; i < 4; ++i)
        task_states[pcpu().id.value()].ist[i] = area + (i + 2) * ist_stack_bytes;
}

void load_descriptors() {
    auto& self = pcpu();
    auto& tss = task_states[self.id.value()];
    tss = {};
    tss.io_map = sizeof(TaskState);
    use_exception_stacks(stack_top() & ~(stack_area_bytes - 1));
    set_system(per_pcpu(layout::first_tss, self.id), reinterpret_cast<std::uint64_t>(&tss), sizeof tss - 1,
               9);
    self.loaded_gdt = layout::descriptors;
    cpu::lgdt({0xffff, layout::descriptors});
    cpu::lidt({sizeof gates - 1, reinterpret_cast<std::uint64_t>(gates.data())});
    asm volatile(
        "pushq %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %1, %%ss" ::"i"(layout::hypervisor_cs),
        "r"(static_cast<std::uint32_t>(layout::hypervisor_ss))
        : "rax", "memory");
    cpu::ltr(per_pcpu(layout::first_tss, self.id));
    cpu::lldt(0);
    cpu::wrmsr(cpu::msr::star, static_cast<std::uint64_t>(layout::hypervisor_cs) << 32);
    const auto stub = self.id.value() * syscall_stub_bytes;
    cpu::wrmsr(cpu::msr::lstar, reinterpret_cast<std::uint64_t>(syscall_stubs) + stub);
    cpu::wrmsr(cpu::msr::cstar, reinterpret_cast<std::uint64_t>(syscall_compat_stubs) + stub);
    cpu::wrmsr(cpu::msr::sfmask, rflags::trap | rflags::interrupt | rflags::direction | rflags::iopl |
                                     rflags::nested | rflags::resume | rflags::align);
    static_assert(layout::hypervisor_ss == layout::hypervisor_cs + 8, "SYSENTER loads both");
    cpu::wrmsr(cpu::msr::sysenter_cs, layout::hypervisor_cs);
    cpu::wrmsr(cpu::msr::sysenter_esp, 0); // the stub loads one
    cpu::wrmsr(cpu::msr::sysenter_eip, reinterpret_cast<std::uint64_t>(sysenter_stubs) + stub);
}

void select_vcpu_entry(Vcpu& vcpu) {
    const auto id = pcpu().id.value();
    const auto regs_end = reinterpret_cast<std::uint64_t>(&vcpu.hypervisor_stack);
    task_states[id].rsp[0] = regs_end;
    syscall_slots[id].regs_end = regs_end;
}

// The registers that an exception of a guest left on an IST stack, moved to where other entries put them.
extern "C" Registers* move_to_vcpu(const Registers* on_ist) {
    auto* regs = reinterpret_cast<Registers*>(task_states[pcpu().id.value()].rsp[0]) - 1;
    *regs = *on_ist;
    return regs;
}

void load_gdt_of(const Vcpu& vcpu) {
    const auto slot = vcpu.tables.gdt_entries == 0 ? 0 : vcpu.sched.slot;
    const auto base = layout::descriptors + slot * layout::descriptor_area_bytes;
    auto& self = pcpu();
    if (self.loaded_gdt == base)
        return;
    self.loaded_gdt = base;
    cpu::lgdt({0xffff, base});
}

void load_ldt_of(const Vcpu& vcpu) {
    if (vcpu.tables.ldt_entries == 0) {
        cpu::lldt(0);
        return;
    }
    const auto selector = per_pcpu(layout::ldt_selector, pcpu().id);
    set_system(selector,
               layout::descriptors + vcpu.sched.slot * layout::descriptor_area_bytes + 16 * page_bytes,
               vcpu.tables.ldt_entries * 8 - 1, 2);
    cpu::lldt(selector);
}

} // namespace bulkhead::hv
