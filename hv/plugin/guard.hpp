// Calling into a plug-in so that nothing it does takes the machine down: a fault in its text, or running
// beyond its time, brings the processor back here. Interrupts are on during the call, so that a hook that
// never returns is noticed.
#pragma once

#include "abi/plugin.hpp"
#include "hv/arch/pcpu.hpp"

#include <type_traits>

namespace bulkhead::hv {

struct TextRange {
    std::uint64_t start, end;
};

// What became of a guarded call.
struct Outcome {
    plugin::Fault fault; // none: it returned in time
    Nanos took;
    RealTime end;
};

// Calls body(context) within `budget`. Only faults whose instruction lies in `text` are the plug-in's.
// `start` is now.
[[nodiscard]] Outcome guarded_call(TextRange text, Nanos budget, void (*body)(void* context), void* context,
                                   RealTime start);

template<class Body>
[[nodiscard]] Outcome guarded(TextRange text, Nanos budget, Body&& body, RealTime start) {
    using Plain = std::remove_reference_t<Body>;
    return guarded_call(text, budget, [](void* context) { (*static_cast<Plain*>(context))(); }, &body, start);
}

// For the trap and interrupt handlers: if a plug-in is being called and this is its fault (or its time is
// over), points the interrupted registers at the way back and answers true. A call whose time is not over is
// interrupted again.
[[nodiscard]] bool recover_from_trap(Registers& regs);
[[nodiscard]] bool recover_from_overrun(Registers& regs);

} // namespace bulkhead::hv
