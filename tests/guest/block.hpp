// What the tests of block rings have in common: a connected front end, and a look at what one request comes
// to.
#pragma once

#include "guest/runtime/block.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/test.hpp"

namespace bulkhead::guest_test {

using namespace bulkhead;
using block_device::Buffer;
using block_device::Front;

inline Front disk(std::uint32_t device = block_device::xvda, RING_IDX first = 0) {
    if (!has_xenstore())
        skip("this guest has no xenstore, so it has no disk");
    const auto front = Front::connect(device, first);
    if (!front && front.error() == Error::no_entry)
        skip("this guest has no disk {}", device);
    return works(front, "connecting to the disk");
}

inline void expect(Front& front, const blkif_request& request, std::int16_t status, std::string_view what) {
    const auto found = works(front.carry_out(request), what);
    check(found == status, "{}: the status is {}, not {}", what, static_cast<std::int64_t>(found),
          static_cast<std::int64_t>(status));
}

} // namespace bulkhead::guest_test
