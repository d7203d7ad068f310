// Registration of handlers and callbacks.
#include "hv/calls/trap.hpp"

#include "hv/domain/domain.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {
namespace {

constexpr unsigned entries_per_check = 16; // between two looks at whether to make way

// The callback that a type names, or nullptr if this machine has no such entry.
Callback* callback_of(Vcpu& vcpu, std::uint16_t type) {
    switch (type) {
    case CALLBACKTYPE_event:
        return &vcpu.entries.event_callback;
    case CALLBACKTYPE_failsafe:
        return &vcpu.entries.failsafe_callback;
    case CALLBACKTYPE_syscall:
        return &vcpu.entries.syscall_callback;
    case CALLBACKTYPE_syscall32:
        return &vcpu.entries.syscall32_callback;
    case CALLBACKTYPE_sysenter:
        return &vcpu.entries.sysenter_callback;
    default:
        return nullptr;
    }
}

// Non-maskable interrupts have a handler of the trap table, which masks events.
HypercallResult set_nmi_handler(Vcpu& vcpu, std::uint64_t address) {
    trap_info entry{};
    entry.vector = vector::nmi;
    entry.cs = FLAT_KERNEL_CS64;
    entry.address = address;
    TI_SET_IF(&entry, 1);
    BULKHEAD_TRY(set_trap_handler(vcpu, entry));
    return 0;
}

HypercallResult register_callback(Vcpu& vcpu, const callback_register& request) {
    if (request.type == CALLBACKTYPE_nmi)
        return set_nmi_handler(vcpu, request.address);
    auto* callback = callback_of(vcpu, request.type);
    if (!callback)
        return fail(Error::not_implemented);
    if (!is_canonical(request.address))
        return fail(Error::invalid);
    *callback = {request.address, (request.flags & CALLBACKF_mask_events) != 0};
    return 0;
}

// A kernel that has an entry once keeps one: only the handler of non-maskable interrupts can go.
HypercallResult unregister_callback(Vcpu& vcpu, const callback_unregister& request) {
    if (request.type == CALLBACKTYPE_nmi)
        return set_nmi_handler(vcpu, 0);
    return fail(callback_of(vcpu, request.type) != nullptr ? Error::invalid : Error::not_implemented);
}

} // namespace

HypercallResult SetTrapTable::run(HypercallContext& context) const {
    if (table.is_null()) {
        clear_trap_handlers(context.caller);
        return 0;
    }
    for (std::uint64_t i = 0;; ++i) {
        if (i != 0 && i % entries_per_check == 0 && machine::should_preempt()) {
            context.arguments[0] = (table + i).address().value();
            return fail(Error::restart);
        }
        const auto entry = (table + i).read();
        if (!entry)
            return fail(entry.error());
        if (entry->address == 0)
            return 0;
        BULKHEAD_TRY(set_trap_handler(context.caller, *entry));
    }
}

HypercallResult SetCallbacks::run(HypercallContext& context) const {
    if (!is_canonical(event) || !is_canonical(failsafe) || !is_canonical(syscall))
        return fail(Error::invalid);
    auto& vcpu = context.caller;
    vcpu.entries.event_callback = {event, true};
    vcpu.entries.failsafe_callback = {failsafe, false};
    vcpu.entries.syscall_callback = {syscall, false};
    return 0;
}

HypercallResult CallbackOp::run(HypercallContext& context) const {
    switch (command) {
    case CALLBACKOP_register: {
        const auto request = GuestPtr<callback_register>{argument}.read();
        return request ? register_callback(context.caller, *request) : fail(request.error());
    }
    case CALLBACKOP_unregister: {
        const auto request = GuestPtr<callback_unregister>{argument}.read();
        return request ? unregister_callback(context.caller, *request) : fail(request.error());
    }
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace bulkhead::hv
