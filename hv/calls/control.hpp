// Bulkhead's own hypercall (abi/control.hpp): marks for every guest, control calls for domain 0.
#pragma once

#include "abi/control.hpp"
#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

struct Control {
    static constexpr unsigned number = control::hypercall_number;
    static constexpr const char* name = "bulkhead_control";
    control::Call call;
    std::uint64_t first, second;
    static Control decode(const HypercallArguments& a) {
        return {static_cast<control::Call>(a[0]), a[1], a[2]};
    }
    HypercallResult run(HypercallContext& context) const;

  private:
    [[nodiscard]] HypercallResult run_alone(HypercallContext& context) const; // with the control lock
};

} // namespace bulkhead::hv
