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
extern char vector_stubs[], pae_vector_stubs[], syscall_stubs[], syscall_compat_stubs[], sysenter_stubs[];
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
using Gates = std::array<Gate, 256>;
Gates gates, pae_gates;
// 512 descriptors each: selectors 0xe000 to 0xeff8.
std::uint64_t* shared_page = nullptr;
std::uint64_t* pae_shared_page = nullptr;

std::uint64_t* descriptor(std::uint16_t selector, std::uint64_t* page = shared_page) {
    return page + (selector & 0xff8) / 8;
}

// A 16-byte system descriptor (TSS: type 9, LDT: type 2).
void set_system(std::uint16_t selector, std::uint64_t base, std::uint32_t limit, std::uint64_t type,
                std::uint64_t* page = shared_page) {
    auto* d = descriptor(selector, page);
    d[0] = (limit & 0xffff) | ((base & 0xffffff) << 16) | (type << 40) | (1ULL << 47) |
           (static_cast<std::uint64_t>(limit >> 16) << 48) | (((base >> 24) & 0xff) << 56);
    d[1] = base >> 32;
}

void set_gate(Gates& table, const char* stubs, unsigned vector, unsigned privilege, unsigned ist) {
    const auto target = reinterpret_cast<std::uint64_t>(stubs) + vector * vector_stub_bytes;
    table[vector].low = (target & 0xffff) | (static_cast<std::uint64_t>(layout::hypervisor_cs) << 16) |
                        (static_cast<std::uint64_t>(ist) << 32) | (14ULL << 40) |
                        (static_cast<std::uint64_t>(privilege) << 45) | (1ULL << 47) |
                        (((target >> 16) & 0xffff) << 48);
    table[vector].high = target >> 32;
}

constexpr std::uint16_t per_pcpu(std::uint16_t first, PcpuId id) {
    return static_cast<std::uint16_t>(first + id.value() * 16);
}

} // namespace

namespace {

// Page with the hypervisor's own segments, which no guest can load.
std::uint64_t* new_shared_page() {
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        machine::out_of_memory("no memory for the descriptor page: give the machine more (--mem)");
    auto* page = machine::frame_as<std::uint64_t>(*frame);
    *descriptor(layout::hypervisor_cs, page) = 0x00af9b000000ffff; // ring 0, 64-bit code
    *descriptor(layout::hypervisor_ss, page) = 0x00cf93000000ffff;
    return page;
}

// INT3, INTO and INT 0x80 reach their gates from ring 3. Another INT raises #GP.
void set_gates(Gates& table, const char* stubs) {
    for (unsigned vector = 0; vector < 256; ++vector) {
        const bool is_open = vector == 3 || vector == 4 || vector == system_call_vector;
        set_gate(table, stubs, vector, is_open ? 3 : 0, 0);
    }
    set_gate(table, stubs, 1, 0, 4);  // debug
    set_gate(table, stubs, 2, 0, 1);  // NMI
    set_gate(table, stubs, 8, 0, 2);  // double fault
    set_gate(table, stubs, 18, 0, 3); // machine check
}

} // namespace

void start_descriptors() {
    shared_page = new_shared_page();
    pae_shared_page = new_shared_page();
    *descriptor(layout::pae_kernel_cs, pae_shared_page) = 0x00cfbb000000ffff; // ring 1, flat, 32-bit
    *descriptor(layout::pae_kernel_ss, pae_shared_page) = 0x00cfb3000000ffff;
    *descriptor(layout::pae_user_cs, pae_shared_page) = 0x00cffb000000ffff; // ring 3
    *descriptor(layout::pae_user_ss, pae_shared_page) = 0x00cff3000000ffff;
    *descriptor(layout::guest_cs32) = 0x00cffb000000ffff; // ring 3, flat
    *descriptor(layout::guest_ss) = 0x00cff3000000ffff;
    *descriptor(layout::guest_cs64) = 0x00affb000000ffff;
    if (!prepare_descriptor_area(0))
        machine::out_of_memory("no memory for the descriptor tables: give the machine more (--mem)");
    set_gates(gates, vector_stubs);
    set_gates(pae_gates, pae_vector_stubs);
    set_gate(pae_gates, pae_vector_stubs, pae_hypercall_vector, 1, 0); // ring 1's alone
}

void load_gates(bool pae) {
    cpu::lidt({sizeof gates - 1, reinterpret_cast<std::uint64_t>((pae ? pae_gates : gates).data())});
}

Result<> prepare_descriptor_area(std::uint32_t slot, bool pae) {
    const auto area = layout::descriptors + slot * layout::descriptor_area_bytes;
    if (!reserve_hypervisor(area, layout::descriptor_area_bytes))
        return fail(Error::no_memory);
    machine::map_descriptors(slot, false, nullptr, 0);
    map_hypervisor(area + layout::reserved_gdt_page * page_bytes,
                   machine::frame_of(pae ? pae_shared_page : shared_page).value() << page_shift, page_bytes,
                   Access::read_write);
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
    load_gates(false);
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
    const auto base = layout::descriptors + vcpu.tables.gdt_slot * layout::descriptor_area_bytes;
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
    const auto base = layout::descriptors + vcpu.sched.slot * layout::descriptor_area_bytes + 16 * page_bytes;
    const auto limit = vcpu.tables.ldt_entries * 8 - 1;
    set_system(selector, base, limit, 2);
    if (vcpu.domain->pae)
        set_system(selector, base, limit, 2, pae_shared_page);
    cpu::lldt(selector);
}

} // namespace bulkhead::hv
