// The account of a domain's requests, written by the worlds of ring policies when a device is done with one.
#pragma once

#include "abi/landmark.hpp"
#include "host/ring_state.hpp"

namespace bulkhead::host {

inline void count(landmark::RingUse& use, const RequestFields& request) {
    ++use.requests;
    use.bytes += request.bytes;
    use.waiting_ns += request.waited.count();
    use.throttled_ns += request.throttled.count();
}

} // namespace bulkhead::host
