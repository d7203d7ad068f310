// The ring policy's host's view of a device: a disk's model in the simulator, a driver on a machine.
#pragma once

#include "host/ring_state.hpp"

#include <concepts>

namespace bulkhead::host {

template<class D>
concept Device = requires(D& device, const D& observed, const RequestFields& fields, bool sequential,
                          Request& request, RealTime now) {
    // The most requests that it has in service at a time; at least 1.
    { observed.depth() } -> std::same_as<std::uint32_t>;
    // What it should take for a request, at least 1 ns. `sequential`: it begins where its ring's last one
    // ended.
    { observed.estimate(fields, sequential) } -> std::same_as<Nanos>;
    // It takes the request, now. How much of its time that one gets, as far as is known. When it is done, the
    // world calls RingHost::complete.
    { device.serve(request, now) } -> std::same_as<Nanos>;
};

} // namespace bulkhead::host
