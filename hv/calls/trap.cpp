// Registration of handlers and callbacks.
#include "hv/calls/trap.hpp"

#include "hv/domain/domain.hpp"
#include "hv/pae/trap.hpp"
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
// SYSENTER and SYSCALL are not offered to 32-bit guests.
Callback* pae_callback_of(Vcpu& vcpu, std::uint16_t type) {
    switch (type) {
    case CALLBACKTYPE_event:
        return &vcpu.entries.pae.event_callback;
    case CALLBACKTYPE_failsafe:
        return &vcpu.entries.pae.failsafe_callback;
    default:
        return nullptr;
    }
}

// Non-maskable interrupts have a handler of the trap table, which masks events.
Result<> set_nmi_handler(Vcpu& vcpu, std::uint64_t address) {
    if (vcpu.domain->pae)
        return set_pae_trap_handler(vcpu, vector::nmi, {address, FLAT_KERNEL_CS64, 0, true});
    trap_info entry{};
    entry.vector = vector::nmi;
    entry.cs = FLAT_KERNEL_CS64;
    entry.address = address;
    TI_SET_IF(&entry, 1);
    return set_trap_handler(vcpu, entry);
}

using Lookup = Callback*(Vcpu& vcpu, std::uint16_t type);

HypercallResult register_callback(Vcpu& vcpu, Lookup& find, std::uint16_t type, std::uint16_t flags,
                                  std::uint64_t address) {
    if (type == CALLBACKTYPE_nmi) {
        BULKHEAD_TRY(set_nmi_handler(vcpu, address));
        return 0;
    }
    auto* callback = find(vcpu, type);
    if (!callback)
        return fail(Error::not_implemented);
    if (!is_canonical(address))
        return fail(Error::invalid);
    *callback = {address, (flags & CALLBACKF_mask_events) != 0};
    return 0;
}

// A kernel that has an entry once keeps one: only the handler of non-maskable interrupts can go.
HypercallResult unregister_callback(Vcpu& vcpu, Lookup& find, std::uint64_t argument) {
    static_assert(sizeof(callback_unregister) == sizeof(pae_abi::CallbackUnregister));
    const auto request = GuestPtr<callback_unregister>{argument}.read();
    BULKHEAD_TRY(request);
    if (request->type != CALLBACKTYPE_nmi)
        return fail(find(vcpu, request->type) != nullptr ? Error::invalid : Error::not_implemented);
    BULKHEAD_TRY(set_nmi_handler(vcpu, 0));
    return 0;
}

// Up to the entry that has no address.
template<class Entry, class Set>
HypercallResult take_handlers(HypercallContext& context, GuestPtr<Entry> table, Set set) {
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
        BULKHEAD_TRY(set(*entry));
    }
}

} // namespace

HypercallResult SetTrapTable::run(HypercallContext& context) const {
    auto& vcpu = context.caller;
    if (table.is_null()) {
        clear_trap_handlers(vcpu);
        return 0;
    }
    return take_handlers(context, table,
                         [&](const trap_info& entry) { return set_trap_handler(vcpu, entry); });
}

HypercallResult PaeSetTrapTable::run(HypercallContext& context) const {
    auto& vcpu = context.caller;
    if (table.is_null()) {
        clear_pae_trap_handlers(vcpu);
        return 0;
    }
    return take_handlers(context, table, [&](const pae_abi::TrapInfo& entry) {
        return set_pae_trap_handler(vcpu, entry.vector, handler_of(entry));
    });
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

HypercallResult PaeSetCallbacks::run(HypercallContext& context) const {
    context.caller.entries.pae.event_callback = {event, true};
    context.caller.entries.pae.failsafe_callback = {failsafe, false};
    return 0;
}

HypercallResult CallbackOp::run(HypercallContext& context) const {
    switch (command) {
    case CALLBACKOP_register: {
        const auto request = GuestPtr<callback_register>{argument}.read();
        BULKHEAD_TRY(request);
        return register_callback(context.caller, callback_of, request->type, request->flags,
                                 request->address);
    }
    case CALLBACKOP_unregister:
        return unregister_callback(context.caller, callback_of, argument);
    default:
        return fail(Error::not_implemented);
    }
}

HypercallResult PaeCallbackOp::run(HypercallContext& context) const {
    switch (command) {
    case CALLBACKOP_register: {
        const auto request = GuestPtr<pae_abi::CallbackRegister>{argument}.read();
        BULKHEAD_TRY(request);
        return register_callback(context.caller, pae_callback_of, request->type, request->flags,
                                 request->eip);
    }
    case CALLBACKOP_unregister:
        return unregister_callback(context.caller, pae_callback_of, argument);
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace bulkhead::hv
