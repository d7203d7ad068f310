// The result of a guarded call of a hook: a fault, or an answer, and when it ended. The guard itself is the
// world's.
#pragma once

#include "abi/plugin.hpp"

#include <type_traits>

namespace bulkhead::host {

struct NoAnswer {};

// The answer means nothing if there was a fault.
template<class Return>
struct Outcome {
    using Answer = std::conditional_t<std::is_void_v<Return>, NoAnswer, Return>;
    plugin::Fault fault; // none: it returned in time
    RealTime end;
    [[no_unique_address]] Answer answer;
    [[nodiscard]] bool well() const { return fault == plugin::Fault::none; }
};

} // namespace bulkhead::host
