// A kernel in ring 1, and an application in ring 3, try to reach the hypervisor, its own page tables, other
// guests, and one another. Says "NAME: held" for each attempt that came to nothing, "NAME: BROKEN" for one
// that did not.
#include "guest/pae/kernel.hpp"

extern "C" {
#include <xen/grant_table.h>
#include <xen/vcpu.h>
}

extern "C" {
alignas(4096) char user_stack[4096];
alignas(4096) char data_page[4096];
alignas(4096) char table_page[4096];
alignas(4096) char descriptor_page[4096];
uint32_t secret = 0x5ec2e7;
uint32_t recover = 0; // where a fault goes on; 0: none is expected
void kernel_function() {}
void enter_user(uint32_t eip, uint32_t esp);
[[noreturn]] void leave_user();
extern char user_calls[], user_spins[], user_reads_kernel[], user_writes_kernel[], user_runs_kernel[],
    user_reads_hole[], user_hypercall[], user_jumps_to_hypervisor[], user_jumps_to_64_bit[],
    user_jumps_to_kernel[], user_system_call[], user_sysenter[], user_interrupts_off[], user_reads_control[],
    user_loads_kernel_data[];
}

namespace bulkhead::guest_pae {

namespace {

constexpr uint32_t protection = 13, page_fault = 14, invalid_opcode = 6, call_vector = 32;
struct {
    uint32_t vector, error, cr2, eax;
} last;
bool broken = false;

void report(const char* name, bool held) {
    char line[80];
    uint32_t n = 0;
    for (; name[n] != 0; ++n) // literals of this file, all shorter than the line
        line[n] = name[n];
    const char* end = held ? ": held" : ": BROKEN";
    for (uint32_t i = 0; end[i] != 0; ++i)
        line[n++] = end[i];
    line[n] = 0;
    say(line);
    if (!held) {
        say("  vector", last.vector);
        say("  error", last.error);
        broken = true;
    }
}

// Each answers whether the instruction went through.
bool reads(uint32_t at, uint32_t& value) {
    uint32_t through;
    asm volatile("movl $1f, recover; movl $0, %0; movl (%2), %1; movl $1, %0; 1: movl $0, recover"
                 : "=&r"(through), "=&r"(value)
                 : "r"(at)
                 : "memory");
    return through != 0;
}
bool reads(uint32_t at) {
    uint32_t value;
    return reads(at, value);
}
bool writes(uint32_t at, uint32_t value) {
    uint32_t through;
    asm volatile("movl $1f, recover; movl $0, %0; movl %2, (%1); movl $1, %0; 1: movl $0, recover"
                 : "=&r"(through)
                 : "r"(at), "r"(value)
                 : "memory");
    return through != 0;
}
// A far jump; the code behind it is the same in 32 and in 64 bits.
bool jumps(uint16_t selector) {
    struct [[gnu::packed]] {
        uint32_t offset;
        uint16_t selector;
    } target{0, selector};
    uint32_t through;
    asm volatile(
        "movl $2f, recover; movl $1f, (%1); movl $0, %0; ljmp *(%1); 1: movl $1, %0; 2: movl $0, recover"
        : "=&r"(through)
        : "r"(&target)
        : "memory");
    return through != 0;
}
// A far return within the kernel to another code segment.
bool returns(uint16_t selector) {
    uint32_t through;
    asm volatile("movl $2f, recover; movl $0, %0; movl %%esp, %%esi; pushl %1; pushl $1f; lret;"
                 "1: movl $1, %0; 2: movl %%esi, %%esp; movl $0, recover"
                 : "=&r"(through)
                 : "r"(uint32_t{selector})
                 : "memory", "esi");
    return through != 0;
}
// The same by the iret hypercall; the failsafe handler goes on at `recover`.
bool returns_by_call(uint32_t selector) {
    uint32_t through;
    asm volatile("movl $2f, recover; movl $0, %0; movl %%esp, %%esi; pushl $2; pushl %1; pushl $1f; pushl $0;"
                 "movl $23, %%eax; int $0x82; 1: movl $1, %0; 2: movl %%esi, %%esp; movl $0, recover"
                 : "=&r"(through)
                 : "r"(selector)
                 : "memory", "esi", "eax");
    return through != 0;
}
#define GOES_THROUGH(instruction)                                                                            \
    [] {                                                                                                     \
        uint32_t through;                                                                                    \
        asm volatile("movl $1f, recover; movl $0, %0; " instruction "; movl $1, %0; 1: movl $0, recover"     \
                     : "=&r"(through)                                                                        \
                     :                                                                                       \
                     : "memory", "eax", "ecx", "edx");                                                       \
        return through != 0;                                                                                 \
    }()

int32_t update(uint64_t machine_address, uint64_t value) {
    mmu_update request{machine_address, value};
    return hypercall(__HYPERVISOR_mmu_update, address(&request), 1, 0, DOMID_SELF);
}
int32_t extended(uint32_t command, uint32_t frame) {
    mmuext_op request{};
    request.cmd = command;
    request.arg1.mfn = frame;
    return hypercall(__HYPERVISOR_mmuext_op, address(&request), 1, 0, DOMID_SELF);
}
int32_t describe(uint32_t index, uint64_t descriptor) {
    const auto at = (uint64_t{frame_of(address(descriptor_page))} << 12) + index * 8;
    return hypercall(__HYPERVISOR_update_descriptor, static_cast<uint32_t>(at),
                     static_cast<uint32_t>(at >> 32), static_cast<uint32_t>(descriptor),
                     static_cast<uint32_t>(descriptor >> 32));
}

// Root, L2 and L1 as the builder made them.
uint32_t root() { return info().pt_base; }
uint64_t machine_of(uint32_t at) { return uint64_t{frame_of(at)} << 12; }

void attack_addresses() {
    // Every address from the hole on, a page of each 2 MiB.
    bool held = true;
    for (uint32_t at = 0xf5800000; at >= 0xf5800000; at += 0x200000)
        held = held && !writes(at, 0);
    report("ring 1 writes to the hole", held);
    // A segment whose base and offset add up to more than 4 GiB leads to the sum's low half.
    const uint64_t flat_from_the_end = 0xffcf'b300'0000'ffff; // base 0xff000000, ring 1, writable
    uint32_t list = frame_of(address(descriptor_page));
    const bool made = describe(0, 0) == 0 && describe(1, flat_from_the_end) == 0 &&
                      map(address(descriptor_page), list, present) == 0 &&
                      hypercall(__HYPERVISOR_set_gdt, address(&list), 512) == 0;
    report("a GDT of its own (needed below)", made);
    uint32_t through, value = 0;
    asm volatile("movl $1f, recover; movl $0, %0; movw %w3, %%fs; movl %%fs:(%2), %1; movl $1, %0;"
                 "1: movl $0, recover; xorl %%ecx, %%ecx; movw %%cx, %%fs"
                 : "=&r"(through), "+&r"(value)
                 : "r"(address(&secret) + 0x01000000), "r"(9U)
                 : "memory", "ecx");
    report("a base beyond 4 GiB wraps", through != 0 && value == secret);
}

void attack_selectors() {
    report("ring 1 jumps to the hypervisor's code", !jumps(0xe008) && last.vector == protection);
    report("the same with another privilege", !jumps(0xe009) && !jumps(0xe00b));
    report("ring 1 jumps to 64-bit code of ring 3", !jumps(0xe033) && last.vector == protection);
    report("ring 1 jumps to 32-bit code of ring 3", !jumps(0xe02b));
    report("ring 1 returns to the hypervisor's code", !returns(0xe008) && !returns(0xe009));
    report("ring 1 returns to 64-bit code by hypercall",
           !returns_by_call(0xe008) && !returns_by_call(0xe033) && !returns_by_call(0xe00b));
    report("the hypervisor's data segment", !GOES_THROUGH("movl $0xe010, %%eax; movl %%eax, %%es"));
}

void attack_descriptors() {
    report("64-bit code of ring 1", describe(2, 0x00af'bb00'0000'ffff) != 0);
    report("64-bit code of ring 2", describe(2, 0x00af'db00'0000'ffff) != 0);
    report("64-bit code of ring 3", describe(2, 0x00af'fb00'0000'ffff) != 0);
    report("64-bit code of ring 0", describe(2, 0x00af'9b00'0000'ffff) != 0);
    report("a call gate", describe(2, 0x0000'ec00'e008'0000) != 0);
    report("a task state", describe(2, 0x0000'8900'0000'0067) != 0);
    report("a local descriptor table", describe(2, 0x0000'8200'0000'ffff) != 0);
    const auto* table = reinterpret_cast<const volatile uint64_t*>(descriptor_page);
    report("code of ring 0 becomes ring 1's",
           describe(2, 0x00cf'9b00'0000'ffff) == 0 && (table[2] >> 45 & 3) == 1);
    report("ring 1 writes to its descriptors",
           !writes(address(descriptor_page), 0) &&
               map(address(descriptor_page), frame_of(address(descriptor_page)), present | writable) != 0);
    // The same in a page before it becomes a table.
    auto* words = reinterpret_cast<volatile uint64_t*>(data_page);
    words[1] = 0x00af'bb00'0000'ffff;
    uint32_t list = frame_of(address(data_page));
    const bool unmapped = map(address(data_page), list, present) == 0;
    report("64-bit code in a new table",
           unmapped && hypercall(__HYPERVISOR_set_gdt, address(&list), 512) != 0);
    report("that page is data again", map(address(data_page), list, present | writable) == 0);
    words[1] = 0;
    words[0] = 0xda7a;
}

void attack_tables() {
    const auto own = entry_of(address(data_page));
    const auto leaf = machine_of(address(data_page)) | present | writable;
    report("a leaf of its own (needed below)", update(own, leaf) == 0);
    bool held = true;
    for (uint32_t frame = 0x100; frame < 0x180; ++frame) // the hypervisor's image, from 1 MiB on
        held = held && update(own, uint64_t{frame} << 12 | present | writable) != 0 &&
               update(own, uint64_t{frame} << 12 | present) != 0;
    report("mapping the hypervisor", held);
    held = true;
    uint32_t foreign = 0; // of domain 0 and the hypervisor: memory that its own list does not have
    for (uint32_t frame = 0x200; frame < 0x10000; frame += 61) {
        bool is_own = false;
        for (uint32_t pfn = 0; pfn < info().nr_pages && !is_own; ++pfn)
            is_own = reinterpret_cast<const uint32_t*>(info().mfn_list)[pfn] == frame;
        foreign += is_own ? 0 : 1;
        held = held && (is_own || update(own, uint64_t{frame} << 12 | present) != 0);
    }
    report("mapping what others own", held && foreign > 100);
    report("a page table mapped writable",
           update(own, machine_of(root()) | present | writable) != 0 &&
               update(own, machine_of(root() + 4096) | present | writable) != 0);
    auto* l1_of_data = reinterpret_cast<volatile uint64_t*>(
        root() + 4096 + 4096 + (address(data_page) >> 21 << 12) + (address(data_page) >> 12 & 511) * 8);
    report("its tables are where it thinks (needed below)",
           *l1_of_data >> 12 << 12 == machine_of(address(data_page)));
    // Ordinary stores into a table are carried out as checked updates; a bad one is refused.
    report("a store of a bad leaf", !writes(address(l1_of_data), 0x100000 | present | writable));
    report("a large page",
           update(machine_of(root() + 4096) + 3 * 8, 0x100000 | present | writable | 0x80) != 0);
    report("a fifth entry of the root",
           update(machine_of(root()) + 4 * 8, machine_of(root() + 4096) | present) != 0);
    report("the hypervisor's slots of the root",
           update(machine_of(root()) + 256 * 8, machine_of(root() + 4096) | present) != 0);
    report("a root that is data", extended(MMUEXT_NEW_BASEPTR, frame_of(address(data_page))) != 0 ||
                                      extended(MMUEXT_NEW_BASEPTR, frame_of(root())) != 0);
    extended(MMUEXT_NEW_BASEPTR, frame_of(root()));
    // An L2 for the last GiB, whose entries from the hole on are closed.
    const auto table = machine_of(address(table_page));
    auto* entries = reinterpret_cast<volatile uint64_t*>(table_page);
    entries[430] = machine_of(root() + 8192) | present | writable;
    const bool placed = map(address(table_page), frame_of(address(table_page)), present) == 0 &&
                        update(machine_of(root()) + 3 * 8, table | present) == 0;
    report("a table over the hole is emptied there", placed && entries[430] == 0 && !reads(0xf5c00000));
    report("an entry in the hole", update(table + 430 * 8, machine_of(root() + 8192) | present) != 0);
    report("an entry below it is its own",
           update(table + 427 * 8, machine_of(root() + 8192) | present | writable) == 0 && reads(0xf5600000));
    report("the same table for another GiB", update(machine_of(root()) + 2 * 8, table | present) != 0);
}

// The machine-to-physical table, at the bottom of the hole in the last GiB's table that attack_tables()
// placed.
void attack_machine_frames() {
    constexpr uint32_t m2p = 0xf5800000;
    const auto entry = m2p + frame_of(address(data_page)) * 4;
    uint32_t said = 0;
    const bool readable = reads(entry, said);
    report("its frames are in the table", readable && said == address(data_page) >> 12);
    report("ring 1 writes to the table", !writes(entry, 0) && last.vector == page_fault && last.error == 3);
    report("update_va_mapping of the table",
           map(m2p, frame_of(address(data_page)), present | writable) != 0 && reads(entry, said));
    // The hypervisor itself would write there for it.
    struct {
        uint32_t address, upper;
    } area{entry & ~63U, 0};
    bool held = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, address(&area)) == 0;
    for (int i = 0; i < 4; ++i)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield);
    held = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, address(&area)) == 0 &&
           held;
    held = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, entry & ~63U) != 0 && held;
    uint32_t after = 0;
    report("the hypervisor writes to the table for it", held && reads(entry, after) && after == said);
    // A 32-bit pointer is the lower half of the ABI's union.
    area = {address(data_page), 0xffff8300};
    auto* words = reinterpret_cast<volatile uint32_t*>(data_page);
    words[1] = 0xda7a;
    words[11] = 0xda7a;
    held = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, address(&area)) == 0;
    report("the runstate goes to the pointer's lower half, in 44 bytes",
           held && words[1] != 0xda7a && words[11] == 0xda7a);
    area = {0xffffffe0, 0}; // the last bytes below 4 GiB: the area ends behind them
    held = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, address(&area)) == 0;
    report("an area that wraps", held);
}

void attack_vcpus() {
    static vcpu_guest_context context;
    context.ctrlreg[3] = frame_of(address(data_page)) << 12;
    report("initialising itself",
           hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 0, address(&context)) != 0);
    report("a vCPU whose root is data",
           hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, address(&context)) != 0);
    report("a context in the hole", hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, 0xf5c00000) != 0);
    report("a vCPU that it does not have",
           hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 31, address(&context)) != 0 &&
               hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 31) != 0);
}

void attack_grants() {
    gnttab_map_grant_ref mapping{};
    mapping.host_addr = 0xf5800000;
    mapping.flags = GNTMAP_host_map;
    mapping.dom = DOMID_SELF;
    report("a grant over the table",
           hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, address(&mapping), 1) == 0 &&
               mapping.status != GNTST_okay);
    // Frames by their own numbers, one of them the hypervisor's.
    gnttab_copy copy{};
    copy.source.u.gmfn = 0x100;
    copy.source.domid = copy.dest.domid = DOMID_SELF;
    copy.dest.u.gmfn = frame_of(address(data_page));
    copy.len = 64;
    report("a copy of the hypervisor's memory",
           hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_copy, address(&copy), 1) == 0 &&
               copy.status != GNTST_okay);
    static_assert(sizeof copy == 24);
    copy.source.u.gmfn = frame_of(root());
    copy.dest.u.gmfn = frame_of(root());
    report("a copy into its page tables",
           hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_copy, address(&copy), 1) == 0 &&
               copy.status != GNTST_okay);
    copy.source.u.gmfn = copy.dest.u.gmfn = frame_of(address(data_page));
    copy.dest.offset = 64;
    report("a copy within a page (needed above)",
           hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_copy, address(&copy), 1) == 0 &&
               copy.status == GNTST_okay);
}

// Other vCPUs run in the middle of some of these calls, whose rest is made again without the guest's doing.
void make_long_calls() {
    static mmu_update updates[1024];
    const uint32_t page = address(data_page);
    for (mmu_update& each : updates)
        each = {entry_of(page), uint64_t{frame_of(page)} << 12 | present | writable};
    bool held = true;
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t done = 0;
        held = hypercall(__HYPERVISOR_mmu_update, address(updates), 1024, address(&done), DOMID_SELF) == 0 &&
               done == 1024 && held;
    }
    report("a long call is made to its end", held);
}

void attack_control() {
    bool held = true;
    for (uint32_t call = 1; call < 64; ++call) // 0 is a mark, which any guest may make (abi/control.hpp)
        held = held && hypercall(__HYPERVISOR_arch_7, call) < 0;
    report("domain 0's own calls", held);
}

void attack_instructions() {
    report("it loads an interrupt table", !GOES_THROUGH("lidt 0") && !GOES_THROUGH("lgdt 0"));
    report("it turns paging off",
           !GOES_THROUGH("movl %%cr0, %%eax; andl $0x7fffffff, %%eax; movl %%eax, %%cr0"));
    report("it leaves long mode",
           !GOES_THROUGH("movl $0xc0000080, %%ecx; xorl %%eax, %%eax; xorl %%edx, %%edx; wrmsr"));
    // A base of 64 bits, in the hypervisor's map of all memory: 32-bit code uses its low half, which is its
    // own page.
    uint32_t based = 0, plain = 1, low = address(data_page);
    asm volatile(
        "movl $0xc0000100, %%ecx; movl $0xffff8300, %%edx; wrmsr; movl %%fs:0, %0; xorl %%edx, %%edx;"
        "xorl %%eax, %%eax; wrmsr"
        : "=&r"(based), "+a"(low)
        :
        : "ecx", "edx", "memory");
    const bool is_plain = reads(address(data_page), plain);
    report("a base above 4 GiB", is_plain && based == plain);
    report("it makes a system call", !GOES_THROUGH("syscall") && last.vector == invalid_opcode);
    report("it makes a fast one", !GOES_THROUGH("sysenter") && last.vector == protection);
    report("it opens what SMAP closes", !GOES_THROUGH("stac"));
}

// Runs an attempt in ring 3; `last` says how it came back.
bool user(const char* entry) {
    enter_user(address(entry), address(user_stack) + sizeof user_stack);
    return last.vector == call_vector && last.eax == 1;
}

void attack_from_user() {
    const bool opened =
        map(address(user_calls) & ~4095U, frame_of(address(user_calls)), present | guest_pae::user) == 0 &&
        map(address(user_stack), frame_of(address(user_stack)), present | writable | guest_pae::user) == 0;
    report("ring 3 runs at all (needed below)", opened && user(user_calls));
    report("ring 3 goes on after others ran", user(user_spins));
    report("ring 3 reads its kernel", !user(user_reads_kernel) && last.vector == page_fault &&
                                          last.error == 5 && last.cr2 == address(&secret));
    report("ring 3 writes to its kernel", !user(user_writes_kernel) && last.error == 7 && secret == 0x5ec2e7);
    report("ring 3 runs its kernel", !user(user_runs_kernel) && last.vector == page_fault);
    report("ring 3 reads the hole", !user(user_reads_hole) && last.vector == page_fault);
    report("ring 3 makes a hypercall", !user(user_hypercall) && last.vector == protection);
    report("ring 3 jumps to the hypervisor", !user(user_jumps_to_hypervisor) && last.vector == protection);
    report("ring 3 jumps to 64-bit code", !user(user_jumps_to_64_bit) && last.vector == protection);
    report("ring 3 jumps into ring 1", !user(user_jumps_to_kernel) && last.vector == protection);
    report("ring 3 makes a system call", !user(user_system_call) && last.vector == invalid_opcode);
    report("ring 3 makes a fast one", !user(user_sysenter) && last.vector == protection);
    report("ring 3 turns interrupts off", !user(user_interrupts_off) && last.vector == protection);
    report("ring 3 reads a control register", !user(user_reads_control) && last.vector == protection);
    report("ring 3 loads its kernel's data segment",
           !user(user_loads_kernel_data) && last.vector == protection);
    // The kernel itself reaches its application's pages, in spite of SMAP and SMEP.
    report("ring 1 reads and writes ring 3's pages",
           reads(address(user_stack)) && writes(address(user_stack), 1));
}

} // namespace

void on_trap(Frame& frame) {
    last = {frame.vector, frame.error, static_cast<uint32_t>(shared().vcpu_info[0].arch.cr2), frame.eax};
    if (frame.from_user() && frame.vector != failsafe_vector)
        leave_user();
    if (recover == 0) {
        say("an unexpected trap:", frame.vector);
        say("at", frame.eip);
        shut_down(SHUTDOWN_crash);
    }
    frame.eip = recover;
    if (frame.vector == failsafe_vector)
        frame.cs = 0xe019;
}

void run(const start_info&) {
    attack_addresses();
    attack_selectors();
    attack_descriptors();
    attack_tables();
    attack_machine_frames();
    attack_vcpus();
    attack_grants();
    make_long_calls();
    attack_control();
    attack_instructions();
    attack_from_user();
    say(broken ? "something broke" : "all held");
}

} // namespace bulkhead::guest_pae
