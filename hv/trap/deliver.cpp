// Handing exceptions, events and system calls to the guest's kernel, and the table of its handlers.
#include "hv/domain/domain.hpp"
#include "hv/pae/trap.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/seams.hpp"
#include "hv/trap/trap.hpp"

#include <algorithm>

namespace bulkhead::hv {
namespace {

constexpr unsigned table_size = 256;
static_assert(table_size * sizeof(TrapHandler) <= page_bytes, "the table fits one metadata page");

// nullptr if its kernel registered none.
const TrapHandler* handler_of(const Vcpu& vcpu, std::uint8_t vector) {
    const auto* handlers = vcpu.entries.handlers;
    return handlers != nullptr && handlers[vector].address != 0 ? &handlers[vector] : nullptr;
}

void crash(Vcpu& vcpu, const char* why) { crash_domain(*vcpu.domain, why); }

// A 32-bit kernel's handlers are not in that table.
[[gnu::noinline, gnu::cold]] void deliver_without_handler(Vcpu& vcpu, std::optional<std::uint64_t> error) {
    if (vcpu.domain->pae)
        return deliver_to_pae(vcpu, static_cast<unsigned>(vcpu.regs.vector), error);
    crash(vcpu, "an exception for which its kernel registered no handler");
}

void deliver(Vcpu& vcpu, const TrapHandler& handler, std::optional<std::uint64_t> error) {
    const Callback target{handler.address, handler.mask_events};
    if (!(error ? bounce_with_error(vcpu, target, *error) : bounce(vcpu, target))) [[unlikely]]
        crash(vcpu, "an exception, and its kernel's stack cannot be written");
}

void enter_system_call(Vcpu& vcpu, const Callback& callback) {
    if (callback.address == 0) { // as on a processor without SYSCALL
        vcpu.regs.rip -= 2;
        return deliver_exception(vcpu, vector::invalid_opcode);
    }
    if (!bounce(vcpu, callback)) [[unlikely]]
        return crash(vcpu, "a system call, and its kernel's stack cannot be written");
    vcpu.regs.rflags &= ~rflags::direction;
    vcpu.regs.r11 = vcpu.regs.rflags;
}

} // namespace

void deliver_exception(Vcpu& vcpu, unsigned vector, std::optional<std::uint64_t> error) {
    vcpu.regs.vector = vector;
    vcpu.regs.error = error.value_or(0);
    if (const auto* handler = handler_of(vcpu, static_cast<std::uint8_t>(vector)); handler != nullptr)
        [[likely]]
        deliver(vcpu, *handler, error);
    else
        deliver_without_handler(vcpu, error);
}

void deliver_page_fault(Vcpu& vcpu, std::uint64_t address, std::uint64_t error) {
    // Both of the guest's modes run in ring 3, so the processor's idea of "user" says nothing.
    error &= ~page_fault::user;
    if (!vcpu.processor.in_kernel)
        error |= page_fault::user;
    // A guest does not learn the hypervisor's mappings.
    if (in_hypervisor_range(address) && !in_machine_to_physical(address))
        error &= ~(page_fault::present | page_fault::reserved);
    vcpu.info->arch.cr2 = address;
    deliver_exception(vcpu, vector::page_fault, error);
}

bool deliver_software_interrupt(Vcpu& vcpu, unsigned vector) {
    const auto* handler = handler_of(vcpu, static_cast<std::uint8_t>(vector));
    const unsigned least = vcpu.processor.in_kernel ? 1 : 3;
    if (handler == nullptr || handler->privilege < least)
        return vcpu.domain->pae && deliver_software_interrupt_to_pae(vcpu, vector);
    deliver(vcpu, *handler, {});
    return true;
}

// A kernel may have closed the gate to its applications or to itself. Then the instruction raises a fault.
void deliver_system_call_gate(Vcpu& vcpu) {
    if (deliver_software_interrupt(vcpu, system_call_vector)) [[likely]]
        return;
    vcpu.regs.rip -= 2;
    deliver_exception(vcpu, vector::protection, refused_vector(system_call_vector));
}

void deliver_nmi(Vcpu& vcpu) {
    vcpu.entries.nmi_pending = false;
    if (!has_trap_handler(vcpu, vector::nmi))
        return;
    vcpu.entries.in_nmi = true;
    deliver_exception(vcpu, vector::nmi);
}

void deliver_event_callback(Vcpu& vcpu) {
    if (vcpu.entries.event_callback.address == 0)
        return vcpu.domain->pae
                   ? deliver_event_to_pae(vcpu)
                   : crash(vcpu,
                           "an event is pending and unmasked, but its kernel registered no event callback");
    if (!bounce(vcpu, {vcpu.entries.event_callback.address, true}))
        crash(vcpu, "an event, and its kernel's stack cannot be written");
}

void deliver_syscall(Vcpu& vcpu) { enter_system_call(vcpu, vcpu.entries.syscall_callback); }
void deliver_syscall32(Vcpu& vcpu) { enter_system_call(vcpu, vcpu.entries.syscall32_callback); }

void deliver_sysenter(Vcpu& vcpu) {
    if (vcpu.processor.in_kernel)
        return crash(vcpu, "SYSENTER by its kernel");
    vcpu.regs.rflags &= ~(rflags::trap | rflags::nested);
    const auto& callback = vcpu.entries.sysenter_callback;
    if (callback.address == 0)
        return deliver_exception(vcpu, vector::protection, 0);
    if (!bounce(vcpu, callback))
        crash(vcpu, "SYSENTER, and its kernel's stack cannot be written");
}

void deliver_failsafe(Vcpu& vcpu) {
    if (vcpu.entries.failsafe_callback.address == 0)
        return vcpu.domain->pae
                   ? deliver_failsafe_to_pae(vcpu)
                   : crash(
                         vcpu,
                         "its saved state cannot be resumed, and its kernel registered no failsafe callback");
    save_selectors(vcpu);
    if (!bounce_with_selectors(vcpu, vcpu.entries.failsafe_callback))
        crash(vcpu, "its saved state cannot be resumed, and its kernel's stack cannot be written");
}

Result<> set_trap_handler(Vcpu& vcpu, const trap_info& entry) {
    if (!is_canonical(entry.address))
        return fail(Error::invalid);
    return keep_handler(vcpu, vcpu.entries.handlers, entry.vector,
                        {.address = entry.address,
                         .selector = entry.cs,
                         .privilege = static_cast<std::uint8_t>(TI_GET_DPL(&entry)),
                         .mask_events = TI_GET_IF(&entry) != 0});
}

Result<> keep_handler(Vcpu& vcpu, TrapHandler*& table, unsigned vector, const TrapHandler& handler) {
    if (table == nullptr) {
        const auto page = vcpu.domain->allocate_metadata();
        BULKHEAD_TRY(page);
        table = static_cast<TrapHandler*>(*page);
    }
    table[vector] = handler;
    return {};
}

bool has_trap_handler(const Vcpu& vcpu, unsigned vector) {
    const auto* handlers = vcpu.domain->pae ? vcpu.entries.pae.handlers : vcpu.entries.handlers;
    return handlers != nullptr && handlers[vector].address != 0;
}

void clear_trap_handlers(Vcpu& vcpu) {
    if (vcpu.entries.handlers)
        std::fill_n(vcpu.entries.handlers, table_size, TrapHandler{});
}

} // namespace bulkhead::hv
