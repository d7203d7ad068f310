// The marking call; one flag test where the hypervisor has none.
#include "guest/runtime/mark.hpp"

#include "abi/control.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"

namespace bulkhead::guest {

void mark(Mark code, std::uint64_t value) {
    if (on_bulkhead())
        static_cast<void>(hypercall::raw(control::hypercall_number,
                                         static_cast<std::uint64_t>(control::Call::mark),
                                         static_cast<std::uint64_t>(code), value));
}

} // namespace bulkhead::guest
