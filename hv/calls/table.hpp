// From the registers of a guest's SYSCALL to a hypercall and back.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/vcpu.hpp"

namespace bulkhead::hv {

struct Pcpu;

// Both widths number their calls below this.
inline constexpr unsigned hypercall_count = 64;

// An entry of a table of calls.
using HypercallHandler = HypercallAnswer (*)(Vcpu& caller, HypercallArguments& arguments);
template<Hypercall H>
HypercallAnswer perform_hypercall(Vcpu& caller, HypercallArguments& arguments) {
    HypercallContext context{caller, *caller.domain, arguments};
    const auto result = H::decode(arguments).run(context);
    if (result) [[likely]]
        return {*result, false};
    return {-static_cast<std::int64_t>(result.error()), result.error() == Error::restart};
}
inline HypercallAnswer unknown_hypercall(Vcpu&, HypercallArguments&) {
    return {-static_cast<std::int64_t>(Error::not_implemented), false};
}

template<Hypercall... H>
struct HypercallTable {
    std::array<HypercallHandler, hypercall_count> handlers;
    constexpr HypercallTable() {
        handlers.fill(unknown_hypercall);
        static_assert(((H::number < hypercall_count) && ...));
        ((handlers[H::number] = perform_hypercall<H>), ...);
    }
    HypercallAnswer invoke(std::uint64_t number, Vcpu& caller, HypercallArguments& arguments) const {
        return number < hypercall_count ? handlers[number](caller, arguments)
                                        : unknown_hypercall(caller, arguments);
    }
};

// The kernel of the vCPU, which is current on this pCPU, made a hypercall: number in rax.
void handle_hypercall(Pcpu& self, Vcpu& vcpu);

// One call out of the table, for handle_hypercall and for multicalls.
[[nodiscard]] HypercallAnswer invoke_hypercall(std::uint64_t number, Vcpu& caller,
                                               HypercallArguments& arguments);

} // namespace bulkhead::hv
