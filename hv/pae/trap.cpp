#include "hv/pae/trap.hpp"

#include "abi/pae.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/pae.hpp"
#include "hv/pae/bounce.hpp"
#include "hv/trap/seams.hpp"

#include <algorithm>

namespace bulkhead::hv {
namespace {

constexpr unsigned table_size = 256;

TrapHandler handler_of(const Vcpu& vcpu, unsigned vector) {
    const auto* handlers = vcpu.entries.pae.handlers;
    return handlers != nullptr && vector < table_size ? handlers[vector] : TrapHandler{};
}

void enter(Vcpu& vcpu, const TrapHandler& handler, std::optional<std::uint64_t> error) {
    if (!bounce_pae(vcpu, {handler.address, handler.mask_events, error}))
        crash_domain(*vcpu.domain, "an exception, and its kernel's stack cannot be written");
}

// An access to a descriptor table, made by the processor itself, hit a page without descriptors: the selector
// is bad. No guest names such an address: all that it can form are below 4 GiB.
bool is_of_descriptors(std::uint64_t address) { return address >= pae::end; }

// CPUID as a processor without long mode, SYSCALL and SYSENTER would answer.
void hide_long_mode(Registers& regs, std::uint32_t leaf) {
    constexpr std::uint64_t sysenter = 1 << 11, system_call = 1 << 11, long_mode = 1 << 29, lahf = 1;
    if (leaf == 1)
        regs.rdx &= ~sysenter;
    if (leaf == 0x80000001) {
        regs.rdx &= ~(system_call | long_mode);
        regs.rcx &= ~lahf;
    }
}

} // namespace

std::uint32_t& pae_fault_address(const Vcpu& vcpu) {
    return reinterpret_cast<pae_abi::VcpuInfo*>(vcpu.info)->cr2;
}

// A fault without the user's bit would be taken for one of the processor's own, but ring 1 is supervisor
// here.
void take_pae_trap(Pcpu& self, Vcpu& vcpu, std::uint64_t fault_address, void (*take)(Pcpu&, Vcpu&)) {
    auto& regs = vcpu.regs;
    if (regs.vector == vector::page_fault && is_of_descriptors(fault_address)) {
        regs.vector = vector::protection;
        regs.error = 0;
    } else if (regs.vector == vector::page_fault) {
        pae_fault_address(vcpu) = static_cast<std::uint32_t>(fault_address);
        regs.error |= page_fault::user;
    }
    const auto leaf = static_cast<std::uint32_t>(regs.rax);
    const auto stack = regs.rsp;
    const bool may_be_cpuid = regs.vector == vector::invalid_opcode;
    take(self, vcpu);
    if (may_be_cpuid && regs.rsp == stack) // no handler was entered: it was
        hide_long_mode(regs, leaf);
}

void deliver_to_pae(Vcpu& vcpu, unsigned vector, std::optional<std::uint64_t> error) {
    const auto handler = handler_of(vcpu, vector);
    if (handler.address == 0)
        return crash_domain(*vcpu.domain, "an exception for which its kernel registered no handler");
    enter(vcpu, handler, error);
}

bool deliver_software_interrupt_to_pae(Vcpu& vcpu, unsigned vector) {
    const auto handler = handler_of(vcpu, vector);
    const unsigned least = vcpu.processor.in_kernel ? 1 : 3;
    if (handler.address == 0 || handler.privilege < least)
        return false;
    enter(vcpu, handler, {});
    return true;
}

void deliver_event_to_pae(Vcpu& vcpu) {
    const auto& callback = vcpu.entries.pae.event_callback;
    if (callback.address == 0)
        return crash_domain(*vcpu.domain,
                            "an event is pending and unmasked, but its kernel registered no event callback");
    if (!bounce_pae(vcpu, {callback.address, true}))
        crash_domain(*vcpu.domain, "an event, and its kernel's stack cannot be written");
}

void deliver_failsafe_to_pae(Vcpu& vcpu) {
    const auto& callback = vcpu.entries.pae.failsafe_callback;
    if (callback.address == 0)
        return crash_domain(
            *vcpu.domain,
            "its saved state cannot be resumed, and its kernel registered no failsafe callback");
    save_selectors(vcpu);
    if (!bounce_pae(vcpu, {callback.address, callback.mask_events, {}, true}))
        crash_domain(*vcpu.domain,
                     "its saved state cannot be resumed, and its kernel's stack cannot be written");
}

Result<> set_pae_trap_handler(Vcpu& vcpu, unsigned vector, const TrapHandler& handler) {
    return keep_handler(vcpu, vcpu.entries.pae.handlers, vector, handler);
}

void clear_pae_trap_handlers(Vcpu& vcpu) {
    if (vcpu.entries.pae.handlers != nullptr)
        std::fill_n(vcpu.entries.pae.handlers, table_size, TrapHandler{});
}

} // namespace bulkhead::hv
