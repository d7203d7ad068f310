// Calling into a plug-in so that nothing it does takes the machine down: a fault in its text, or running
// beyond its time, brings the processor back here. Interrupts are on during the call, so that a hook that
// never returns is noticed.
#pragma once

#include "abi/plugin.hpp"
#include "hv/arch/apic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/registers.hpp"
#include "hv/base/machine.hpp"

#include <bit>
#include <type_traits>
#include <utility>

namespace bulkhead::hv {

// What a guarded call left. The answer means nothing if there was a fault.
struct NoAnswer {};
template<class Answer>
struct Outcome {
    plugin::Fault fault; // none: it returned in time
    RealTime end;
    [[no_unique_address]] Answer answer;
};

namespace guard {

// A hook that never returns is noticed at the next timer interrupt; one is always this close.
inline constexpr Nanos longest_wait = milliseconds(5);

// The two registers in which a function returns what fits them.
struct Returned {
    std::uint64_t rax, rdx;
};
// guard.S: calls function(a, b, c, d, e). If the call is abandoned, Guard::fault says so and the rest is
// noise.
extern "C" Returned call_with_way_back(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
                                       std::uint64_t e, const void* function);

// An argument as it is passed in a register: a reference by its address.
template<class Formal, class Actual>
std::uint64_t in_register(Actual& actual) {
    if constexpr (std::is_reference_v<Formal>) {
        return reinterpret_cast<std::uint64_t>(&actual);
    } else if constexpr (std::is_pointer_v<Formal>) {
        return reinterpret_cast<std::uint64_t>(static_cast<Formal>(actual));
    } else if constexpr (sizeof(Formal) == 8) {
        return std::bit_cast<std::uint64_t>(static_cast<Formal>(actual));
    } else {
        static_assert(std::is_enum_v<Formal> && sizeof(Formal) <= 4);
        return static_cast<std::uint32_t>(actual);
    }
}

template<class Answer>
Answer from_registers(const Returned& returned) {
    static_assert(std::is_trivially_copyable_v<Answer>);
    if constexpr (sizeof(Answer) == sizeof(Returned)) {
        return std::bit_cast<Answer>(returned);
    } else {
        static_assert(sizeof(Answer) == sizeof(std::uint16_t));
        return std::bit_cast<Answer>(static_cast<std::uint16_t>(returned.rax));
    }
}

template<class... Formal, class... Actual, std::size_t... Unused>
Returned call(void (*function)(), std::index_sequence<Unused...>, Actual&... actual) {
    return call_with_way_back(in_register<Formal>(actual)...,
                              (static_cast<void>(Unused), std::uint64_t{0})...,
                              reinterpret_cast<const void*>(function));
}

} // namespace guard

// Calls function(actual...) within `budget` of `start`, which is now or the instant that the caller has just
// read. Only faults whose instruction lies in `text`, which outlives the call, are the plug-in's.
template<class Return, class... Formal, class... Actual>
[[nodiscard, gnu::always_inline]] inline auto guarded(const TextRange& text, Nanos budget, RealTime start,
                                                      Return (*function)(Formal...), Actual&&... actual) {
    static_assert(sizeof...(Formal) <= 5 && sizeof...(Formal) == sizeof...(Actual));
    using Answer = std::conditional_t<std::is_void_v<Return>, NoAnswer, Return>;
    auto& self = pcpu();
    auto& guard = self.guard;
    if (self.programmed > start + guard::longest_wait) [[unlikely]]
        program_timer(start + guard::longest_wait);
    guard.text = &text;
    guard.deadline = start + budget;
    guard.looks = 0;
    guard.fault = plugin::Fault::none;
    const auto returned = guard::call<Formal...>(
        reinterpret_cast<void (*)()>(function), std::make_index_sequence<5 - sizeof...(Formal)>{}, actual...);
    Outcome<Answer> outcome{guard.fault, machine::now(), {}};
    if (outcome.fault == plugin::Fault::none) [[likely]] {
        if constexpr (!std::is_void_v<Return>)
            outcome.answer = guard::from_registers<Answer>(returned);
        if (outcome.end > guard.deadline) [[unlikely]]
            outcome.fault = plugin::Fault::over_budget;
    } else if (outcome.fault == plugin::Fault::wrong_answer && outcome.end > guard.deadline) {
        outcome.fault = plugin::Fault::over_budget; // what it asked of a service was wrong as well
    }
    return outcome;
}

// For the trap and interrupt handlers: if a plug-in is being called and this is its fault (or its time is
// over), points the interrupted registers at the way back and answers true. A call whose time is not over is
// interrupted again.
[[nodiscard]] bool recover_from_trap(Registers& regs);
[[nodiscard]] bool recover_from_overrun(Registers& regs);

} // namespace bulkhead::hv
