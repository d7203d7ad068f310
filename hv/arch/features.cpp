#include "hv/arch/features.hpp"

#include "hv/arch/cpu.hpp"

namespace bulkhead::hv {

namespace {

Features found{};
bool detected = false;

void detect() {
    const auto leaf1 = cpu::cpuid(1);
    const auto leaf7 = cpu::cpuid(0).a >= 7 ? cpu::cpuid(7) : cpu::Cpuid{};
    found.smep = (leaf7.b >> 7) & 1;
    found.smap = (leaf7.b >> 20) & 1;
    found.umip = (leaf7.c >> 2) & 1;
    found.xsave = (leaf1.c >> 26) & 1;
    found.fpu_bytes = 512;
    if (found.xsave) {
        const auto leaf13 = cpu::cpuid(13);
        found.xcr0 = leaf13.a & vector_states;
    }
    detected = true;
}

} // namespace

const Features& features() { return found; }

void start_processor() {
    if (!detected)
        detect();
    cpu::write_cr0((cpu::read_cr0() & ~(cpu::cr0::em | cpu::cr0::ts)) | cpu::cr0::mp | cpu::cr0::ne |
                   cpu::cr0::wp);
    auto cr4 = cpu::cr4::pae | cpu::cr4::osfxsr | cpu::cr4::osxmmexcpt | cpu::cr4::de | cpu::cr4::pge;
    if (found.smep)
        cr4 |= cpu::cr4::smep;
    if (found.smap)
        cr4 |= cpu::cr4::smap;
    if (found.umip) // SGDT and SIDT would tell where the hypervisor is
        cr4 |= cpu::cr4::umip;
    if (found.xsave)
        cr4 |= cpu::cr4::osxsave;
    cpu::write_cr4(cr4);
    if (found.xsave) {
        cpu::xsetbv(found.xcr0);
        found.fpu_bytes = cpu::cpuid(13).b;
    }
}

} // namespace bulkhead::hv
