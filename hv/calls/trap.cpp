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
    case CALLBACKTYPE_nmi:
        return &vcpu.entries.nmi_callback;
    default:
        return nullptr;
    }
}

HypercallResult register_callback(Vcpu& vcpu, const callback_register& request) {
    auto* callback = callback_of(vcpu, request.type);
    if (!callback)
        return fail(Error::not_implemented);
    if (!is_guest_address(request.address))
        return fail(Error::invalid);
    *callback = {request.address, (request.flags & CALLBACKF_mask_events) != 0};
    return 0;
}

// Events and the failsafe entry cannot be done without once they exist.
HypercallResult unregister_callback(Vcpu& vcpu, const callback_unregister& request) {
    auto* callback = callback_of(vcpu, request.type);
    if (!callback)
        return fail(Error::not_implemented);
    if (request.type == CALLBACKTYPE_event || request.type == CALLBACKTYPE_failsafe ||
        request.type == CALLBACKTYPE_syscall)
        return fail(Error::invalid);
    *callback = {};
    return 0;
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
    if (!is_guest_address(event) || !is_guest_address(failsafe) || !is_guest_address(syscall))
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
