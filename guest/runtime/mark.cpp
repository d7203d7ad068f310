// The marking call; one flag test where the hypervisor has none.
#include "guest/runtime/mark.hpp"

#include "abi/control.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"

namespace bulkhead::guest {

static_assert(static_cast<std::uint64_t>(Mark::page_fault) == control::page_fault_mark);

void mark(Mark code, std::uint64_t value) {
    constexpr auto call = static_cast<Word>(control::Call::mark);
    if (!on_bulkhead())
        return;
    if constexpr (is_narrow)
        static_cast<void>(hypercall::raw(control::hypercall_number, call, static_cast<Word>(code),
                                         static_cast<Word>(value), static_cast<Word>(value >> 32)));
    else
        static_cast<void>(hypercall::raw(control::hypercall_number, call, static_cast<Word>(code), value));
}

} // namespace bulkhead::guest
