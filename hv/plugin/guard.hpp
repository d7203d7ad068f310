// Calling into a plug-in so that nothing it does takes the machine down: a fault in its text, or running
// beyond its time, brings the processor back here. Interrupts are on during the call, so that a hook that
// never returns is noticed.
#pragma once

#include "abi/plugin.hpp"
#include "host/outcome.hpp"
#include "hv/arch/apic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/registers.hpp"
#include "hv/base/machine.hpp"
#include "plugin/registers.hpp"

#include <type_traits>
#include <utility>

namespace bulkhead::hv {

namespace guard {

// A hook that never returns is noticed at the next timer interrupt; one is always this close.
inline constexpr Nanos longest_wait = milliseconds(5);

// Calls function(a, b, c, d, e). If the call is abandoned, Guard::fault says so and the rest is noise.
using WayIn = plugin::Returned(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
                               std::uint64_t e, const void* function);
extern "C" WayIn call_with_way_back; // guard.S
// The one in force: another one under the strict guard (strict.hpp). A call through memory takes as many
// instructions as a direct one, so that the choice costs nothing.
extern WayIn* way_in;

template<class... Formal, class... Actual, std::size_t... Unused>
plugin::Returned call(void (*function)(), std::index_sequence<Unused...>, Actual&... actual) {
    return way_in(plugin::in_register<Formal>(actual)..., (static_cast<void>(Unused), std::uint64_t{0})...,
                  reinterpret_cast<const void*>(function));
}

} // namespace guard

// Calls function(actual...) within `budget` of `start`, which is now or the instant that the caller has just
// read. `ranges` are the plug-in's, and outlive the call.
template<class Return, class... Formal, class... Actual>
[[nodiscard, gnu::always_inline]] inline auto guarded(const PluginRanges& ranges, Nanos budget,
                                                      RealTime start, Return (*function)(Formal...),
                                                      Actual&&... actual) {
    static_assert(sizeof...(Formal) <= 5 && sizeof...(Formal) == sizeof...(Actual));
    auto& self = pcpu();
    auto& guard = self.guard;
    if (self.programmed > start + guard::longest_wait) [[unlikely]]
        program_timer(start + guard::longest_wait);
    guard.plugin = &ranges;
    guard.deadline = start + budget;
    guard.looks = 0;
    guard.fault = plugin::Fault::none;
    const auto returned = guard::call<Formal...>(
        reinterpret_cast<void (*)()>(function), std::make_index_sequence<5 - sizeof...(Formal)>{}, actual...);
    host::Outcome<Return> outcome;
    outcome.fault = guard.fault;
    outcome.end = machine::now();
    if (outcome.fault == plugin::Fault::none) [[likely]] {
        if constexpr (!std::is_void_v<Return>)
            outcome.answer = plugin::from_registers<Return>(returned);
        if (outcome.end > guard.deadline) [[unlikely]]
            outcome.fault = plugin::Fault::over_budget;
    } else if (outcome.fault == plugin::Fault::wrong_answer && outcome.end > guard.deadline) {
        outcome.fault = plugin::Fault::over_budget; // what it asked of a service was wrong as well
    }
    return outcome;
}

// For the trap and interrupt handlers: if a plug-in is being called and this is its fault (or its time is
// over), points the interrupted registers at the way back and answers true. A call whose time is not over is
// interrupted again. `address` is that of a page fault.
[[nodiscard]] bool recover_from_trap(Registers& regs, std::uint64_t address);
[[nodiscard]] bool recover_from_overrun(Registers& regs);

} // namespace bulkhead::hv
