// The console_io hypercall: for every guest, not only for domain 0, because the rate limit makes it harmless.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct ConsoleIo {
    static constexpr unsigned number = __HYPERVISOR_console_io;
    static constexpr const char* name = "console_io";
    std::uint32_t command;
    std::int32_t count;
    std::uint64_t buffer;
    static ConsoleIo decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), static_cast<std::int32_t>(a[1]), a[2]};
    }
    HypercallResult run(HypercallContext& context) const;
};
static_assert(Hypercall<ConsoleIo>);

} // namespace bulkhead::hv
