// Work that asks to be continued, continued to its end whatever the rate of preemption.
#pragma once

#include "hv/base/error.hpp"

namespace bulkhead::hv::test {

// `part` does a piece and answers restart until nothing is left. `require(bool, text)` fails the run.
template<class Part, class Require>
void to_the_end(Part part, Require require) {
    for (int i = 0; i < 1'000'000; ++i) {
        const Result<> done = part();
        if (done)
            return;
        require(done.error() == Error::restart, "a teardown failed");
    }
    require(false, "a teardown never ends");
}

// A frame that others still map keeps a domain's memory busy: that is done as far as it can be.
[[nodiscard]] inline Result<> unless_busy(Result<> done) {
    return !done && done.error() == Error::busy ? Result<>{} : done;
}

} // namespace bulkhead::hv::test
