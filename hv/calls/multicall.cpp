#include "hv/calls/multicall.hpp"

#include "hv/calls/table.hpp"
#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

namespace {

HypercallResult continue_from(HypercallContext& context, GuestPtr<multicall_entry_t> calls,
                              std::uint32_t count) {
    context.arguments[0] = calls.address().value();
    context.arguments[1] = count;
    return fail(Error::restart);
}

bool allowed(std::uint64_t number) { return number != __HYPERVISOR_multicall; }

} // namespace

HypercallResult Multicall::run(HypercallContext& context) const {
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto at = calls + i;
        if (context.domain.life == control::Life::shut_down)
            return 0; // by the call before: it does nothing any more
        if (i != 0 && machine::should_preempt())
            return continue_from(context, at, count - i);
        auto entry = at.read();
        if (!entry)
            return fail(entry.error());
        HypercallArguments arguments;
        for (std::size_t k = 0; k < arguments.value.size(); ++k)
            arguments[k] = entry->args[k];
        HypercallContext inner{context.caller, context.domain, arguments};
        const auto result =
            allowed(entry->op) ? invoke_hypercall(entry->op, inner) : HypercallResult{fail(Error::invalid)};
        const bool unfinished = !result && result.error() == Error::restart;
        if (unfinished)
            for (std::size_t k = 0; k < arguments.value.size(); ++k)
                entry->args[k] = arguments[k];
        else
            entry->result =
                static_cast<xen_ulong_t>(result ? *result : -static_cast<std::int64_t>(result.error()));
        if (entry->op == __HYPERVISOR_iret) { // the guest goes on where the frame says
            if (context.caller.processor.in_kernel)
                static_cast<void>(at.write(*entry));
            return result;
        }
        BULKHEAD_TRY(at.write(*entry));
        if (unfinished)
            return continue_from(context, at, count - i);
    }
    return 0;
}

} // namespace bulkhead::hv
