#include "hv/calls/multicall.hpp"

#include "hv/calls/table.hpp"
#include "hv/domain/domain.hpp"

#include <cstddef>

namespace bulkhead::hv {

namespace {

HypercallResult continue_from(HypercallContext& context, GuestPtr<multicall_entry_t> calls,
                              std::uint32_t count) {
    context.arguments[0] = calls.address().value();
    context.arguments[1] = count;
    return fail(Error::restart);
}

bool allowed(std::uint64_t number) { return number != __HYPERVISOR_multicall; }

// multicall_entry_t with its arguments in the form in which handlers take them.
struct Entry {
    std::uint64_t op, result;
    HypercallArguments arguments;
};
static_assert(sizeof(Entry) == sizeof(multicall_entry_t) &&
              offsetof(Entry, result) == offsetof(multicall_entry_t, result) &&
              offsetof(Entry, arguments) == offsetof(multicall_entry_t, args));

[[nodiscard]] Result<> write_result(GuestPtr<Entry> at, std::int64_t result) {
    return GuestPtr<std::int64_t>{at.address().value() + offsetof(Entry, result)}.write(result);
}

} // namespace

HypercallResult Multicall::run(HypercallContext& context) const {
    const GuestPtr<Entry> list{calls.address().value()};
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto at = list + i;
        if (context.domain.life == control::Life::shut_down)
            return 0; // by the call before: it does nothing any more
        if (i != 0 && machine::should_preempt())
            return continue_from(context, calls + i, count - i);
        Entry entry; // copied straight to where its call finds its arguments
        if (!machine::copy_from_guest(&entry, at.address(), sizeof entry))
            return fail(Error::bad_address);
        const auto answer = allowed(entry.op)
                                ? invoke_hypercall(entry.op, context.caller, entry.arguments)
                                : HypercallAnswer{-static_cast<std::int64_t>(Error::invalid), false};
        if (answer.again) [[unlikely]] { // its arguments say what is left
            BULKHEAD_TRY(at.write(entry));
            return continue_from(context, calls + i, count - i);
        }
        if (entry.op == __HYPERVISOR_iret) { // the guest goes on where the frame says
            if (context.caller.processor.in_kernel)
                static_cast<void>(write_result(at, answer.value));
            return answer.value;
        }
        BULKHEAD_TRY(write_result(at, answer.value));
    }
    return 0;
}

} // namespace bulkhead::hv
