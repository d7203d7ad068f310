// Single instructions of the processor, one function each. Only hv/arch and hv/entry include this.
#pragma once

#include <cstdint>

namespace bulkhead::hv::cpu {

namespace msr {
inline constexpr std::uint32_t apic_base = 0x1b, efer = 0xc0000080, star = 0xc0000081, lstar = 0xc0000082,
                               cstar = 0xc0000083, sfmask = 0xc0000084, fs_base = 0xc0000100,
                               gs_base = 0xc0000101, kernel_gs_base = 0xc0000102, sysenter_cs = 0x174,
                               sysenter_esp = 0x175, sysenter_eip = 0x176, page_attributes = 0x277;
}
namespace cr4 {
inline constexpr std::uint64_t de = 1 << 3, pse = 1 << 4, pae = 1 << 5, mce = 1 << 6, pge = 1 << 7,
                               osfxsr = 1 << 9, osxmmexcpt = 1 << 10, umip = 1 << 11, fsgsbase = 1 << 16,
                               osxsave = 1 << 18, smep = 1 << 20, smap = 1 << 21;
}
namespace cr0 {
inline constexpr std::uint64_t pe = 1 << 0, mp = 1 << 1, em = 1 << 2, ts = 1 << 3, et = 1 << 4, ne = 1 << 5,
                               wp = 1 << 16, pg = 1ULL << 31;
}

// RDMSR and RDTSC clear the upper halves of both registers.
inline std::uint64_t rdmsr(std::uint32_t index) {
    std::uint64_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return high << 32 | low;
}
inline void wrmsr(std::uint32_t index, std::uint64_t value) {
    asm volatile("wrmsr" ::"c"(index), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}
inline std::uint64_t rdtsc() {
    std::uint64_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return high << 32 | low;
}
struct Cpuid {
    std::uint32_t a, b, c, d;
};
inline Cpuid cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    Cpuid r;
    asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}
inline std::uint8_t inb(std::uint16_t port) {
    std::uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline void outb(std::uint16_t port, std::uint8_t value) {
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline std::uint16_t inw(std::uint16_t port) {
    std::uint16_t value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline std::uint32_t inl(std::uint16_t port) {
    std::uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline void outw(std::uint16_t port, std::uint16_t value) {
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void outl(std::uint16_t port, std::uint32_t value) {
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

inline std::uint64_t read_cr0() {
    std::uint64_t v;
    asm volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}
inline std::uint64_t read_cr2() {
    std::uint64_t v;
    asm volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}
inline std::uint64_t read_cr3() {
    std::uint64_t v;
    asm volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}
inline std::uint64_t read_cr4() {
    std::uint64_t v;
    asm volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}
inline void write_cr0(std::uint64_t v) { asm volatile("mov %0, %%cr0" ::"r"(v) : "memory"); }
inline void write_cr3(std::uint64_t v) { asm volatile("mov %0, %%cr3" ::"r"(v) : "memory"); }
inline void write_cr4(std::uint64_t v) { asm volatile("mov %0, %%cr4" ::"r"(v) : "memory"); }
inline void clts() { asm volatile("clts" ::: "memory"); }
inline void invlpg(std::uint64_t address) { asm volatile("invlpg (%0)" ::"r"(address) : "memory"); }
inline void xsetbv(std::uint64_t value) {
    asm volatile("xsetbv" ::"c"(0), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32)));
}
inline void stac() { asm volatile("stac" ::: "memory", "cc"); }
inline void clac() { asm volatile("clac" ::: "memory", "cc"); }
inline void interrupts_off() { asm volatile("cli" ::: "memory"); }
inline void interrupts_on() { asm volatile("sti" ::: "memory"); }
// Waits for an interrupt with interrupts on, and leaves them off: no window between test and halt.
// For halt.cpp, which says why the counter is read.
inline void wait_for_interrupt() { asm volatile("rdtsc; sti; hlt; cli" ::: "rax", "rdx", "memory"); }

inline std::uint64_t read_fs_base() { return rdmsr(msr::fs_base); }
inline std::uint64_t read_gs_base() { return rdmsr(msr::gs_base); }
inline void read_selectors(std::uint16_t& ds, std::uint16_t& es, std::uint16_t& fs, std::uint16_t& gs) {
    asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                 : "=m"(ds), "=m"(es), "=m"(fs), "=m"(gs));
}

struct [[gnu::packed]] TablePointer {
    std::uint16_t limit;
    std::uint64_t base;
};
inline void lgdt(const TablePointer& p) { asm volatile("lgdt %0" ::"m"(p)); }
inline void lidt(const TablePointer& p) { asm volatile("lidt %0" ::"m"(p)); }
inline void lldt(std::uint16_t selector) { asm volatile("lldt %0" ::"r"(selector)); }
inline void ltr(std::uint16_t selector) { asm volatile("ltr %0" ::"r"(selector)); }

} // namespace bulkhead::hv::cpu
