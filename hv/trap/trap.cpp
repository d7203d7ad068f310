// Deciding what an exception of a guest means. Every branch ends in the guest going on, the guest's handler
// being entered, or the guest's domain being crashed.
#include "hv/trap/trap.hpp"

#include "hv/arch/layout.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/emulate.hpp"
#include "hv/trap/seams.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t descriptor_table_bytes = 16 * page_bytes; // of the GDT, and of the LDT behind it

std::optional<std::uint64_t> offset_in_area(std::uint32_t slot, std::uint64_t address) {
    const auto area = layout::descriptors + std::uint64_t{slot} * layout::descriptor_area_bytes;
    if (address < area || address - area >= layout::descriptor_area_bytes)
        return {};
    return address - area;
}

// An implicit access to the descriptor tables in force hit a page that holds no descriptors: the selector is
// bad. A vCPU without a GDT of its own uses area 0.
std::optional<std::uint64_t> selector_of_fault(const Vcpu& vcpu, std::uint64_t address) {
    auto offset = offset_in_area(vcpu.sched.slot, address);
    if (!offset)
        offset = offset_in_area(0, address);
    if (!offset)
        return {};
    if (*offset < descriptor_table_bytes)
        return *offset & ~std::uint64_t{7};
    return ((*offset - descriptor_table_bytes) & ~std::uint64_t{7}) | 4;
}

// An access with the hypervisor's rights while the guest ran: to its descriptor tables, or by an IRET that
// QEMU emulates.
[[gnu::noinline]] void handle_supervisor_fault(Vcpu& vcpu, std::uint64_t address) {
    const auto error = vcpu.regs.error;
    if (const auto selector = selector_of_fault(vcpu, address))
        deliver_exception(vcpu, vector::protection, *selector);
    else if (!emulate_far_return(vcpu))
        deliver_page_fault(vcpu, address, error | page_fault::user);
}

// A page that is there and may not be written: one of its page tables?
[[gnu::noinline]] void handle_write_fault(Vcpu& vcpu, std::uint64_t address) {
    if (!vcpu.processor.in_kernel || in_hypervisor_range(address) || !emulate_page_table_write(vcpu, address))
        deliver_page_fault(vcpu, address, vcpu.regs.error);
}

void handle_page_fault(Vcpu& vcpu, std::uint64_t address) {
    const auto error = vcpu.regs.error;
    if ((error & page_fault::user) == 0) [[unlikely]]
        return handle_supervisor_fault(vcpu, address);
    constexpr auto relevant =
        page_fault::present | page_fault::write | page_fault::reserved | page_fault::fetch;
    if ((error & relevant) == (page_fault::present | page_fault::write))
        return handle_write_fault(vcpu, address);
    deliver_page_fault(vcpu, address, error);
}

[[gnu::noinline]] void handle_protection(Vcpu& vcpu) {
    if (emulate_int(vcpu))
        return;
    switch (emulate_privileged(vcpu)) {
    case Emulation::done:
        return;
    case Emulation::fault:
        return deliver_exception(vcpu, vector::protection, 0);
    case Emulation::not_ours:
        return deliver_exception(vcpu, vector::protection, vcpu.regs.error);
    }
}

[[gnu::noinline]] void handle_invalid_opcode(Vcpu& vcpu) {
    if (!emulate_forced(vcpu))
        deliver_exception(vcpu, vector::invalid_opcode);
}

[[gnu::noinline]] void handle_no_device(Vcpu& vcpu) {
    if (!handle_device_not_available(vcpu))
        deliver_exception(vcpu, vector::no_device);
}

[[gnu::noinline]] void handle_debug(Vcpu& vcpu) {
    vcpu.processor.debug[6] |= take_debug_status();
    deliver_exception(vcpu, vector::debug);
}

// INT3 and INTO reach their own gates, open to ring 3; the guest's kernel may have closed them to its
// applications.
[[gnu::noinline]] void handle_software_trap(Vcpu& vcpu, unsigned vector) {
    if (vcpu.processor.in_kernel)
        return deliver_exception(vcpu, vector);
    if (deliver_software_interrupt(vcpu, vector))
        return;
    vcpu.regs.rip -= software_trap_length(vcpu);
    deliver_exception(vcpu, vector::protection, refused_vector(vector));
}

} // namespace

void handle_guest_trap(Vcpu& vcpu, std::uint64_t fault_address) {
    const auto vector = static_cast<unsigned>(vcpu.regs.vector);
    vcpu.last_exception = {vcpu.regs.rip, vcpu.regs.error,          fault_address,
                           vector,        vcpu.processor.in_kernel, true};
    if (vector == vector::page_fault) [[likely]]
        return handle_page_fault(vcpu, fault_address);
    switch (vector) {
    case vector::protection:
        return handle_protection(vcpu);
    case vector::invalid_opcode:
        return handle_invalid_opcode(vcpu);
    case vector::no_device:
        return handle_no_device(vcpu);
    case vector::debug:
        return handle_debug(vcpu);
    case vector::breakpoint:
    case vector::overflow:
        return handle_software_trap(vcpu, vector);
    case vector::invalid_tss:
    case vector::no_segment:
    case vector::stack:
    case vector::alignment:
        return deliver_exception(vcpu, vector, vcpu.regs.error);
    case vector::divide:
    case vector::bound:
    case vector::x87:
    case vector::simd:
        return deliver_exception(vcpu, vector);
    default: // NMI, double fault, machine check and what is reserved are never a guest's to handle
        crash_domain(*vcpu.domain, "an exception that no guest can cause rightly");
    }
}

} // namespace bulkhead::hv
