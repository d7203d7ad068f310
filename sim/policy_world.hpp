// What the simulator's worlds of memory and ring policies have in common: the services behind plugin::Host,
// the memory of the policy's objects, guarded calls, and what follows an ejection. These policies need no
// pCPU, and their hooks take no simulated time: the cost model has none for them. Time is as the owner sets
// it.
#pragma once

#include "abi/enum_name.hpp"
#include "host/active_policy.hpp"
#include "host/random.hpp"
#include "sim/address_range.hpp"
#include "sim/guard.hpp"
#include "sim/policy.hpp"

#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>

namespace bulkhead::sim {

// What a world keeps. It must not move while a policy runs in it.
template<class Kind>
struct PolicyGround {
    static constexpr std::uint64_t regions_of_set = Kind::pools + 1;

    PolicyGround(std::uint64_t seed, bool ejects) : random{seed}, eject{ejects} {}

    RealTime now{};
    std::uint64_t random;
    bool eject; // else throw Misconduct
    AddressRange memory{host::policy_sets * regions_of_set * host::region_bytes};
    landmark::PolicyReport report{};
    std::function<void(std::uint64_t code, std::uint64_t value)> on_note;
    std::function<void(typename Kind::Hook, plugin::Fault)> on_eject;

    Guard guard;
    bool guarded = false; // the active policy is; one of this program (built in, or in Python) is not
};

// The world itself, which is copied: `fallback_descriptor` is what takes over from an ejected policy.
template<class Kind, const plugin::Descriptor& (*fallback_descriptor)()>
struct PolicyWorld {
    using Plugin = Policy;
    using Hook = typename Kind::Hook;

    PolicyGround<Kind>* ground;

    [[nodiscard]] RealTime now() const { return ground->now; }
    [[nodiscard]] std::uint64_t random() const { return host::next_random(ground->random); }
    void note(std::uint64_t code, std::uint64_t value) const {
        if (ground->on_note)
            ground->on_note(code, value);
    }
    static void kick(PcpuId) {}
    void serves(std::uint16_t work) const { ground->guard.count_service(work); }
    [[nodiscard]] static std::uint32_t policy_pcpus() { return 0; }
    [[nodiscard]] static bool back_page(std::uint64_t) { return true; } // touching it is enough
    [[nodiscard]] std::uint64_t region(std::uint32_t set, std::uint32_t number) const {
        return ground->memory.start() +
               (set * PolicyGround<Kind>::regions_of_set + number) * host::region_bytes;
    }
    // A hook that runs over its budget ends when that is used up, in simulated time. Exceptions pass through
    // policies of this program only: those in Python.
    template<class Return, class... Formal, class... Actual>
    [[nodiscard]] host::Outcome<Return> call(const Policy&, Nanos budget, Hook, RealTime start,
                                             Return (*function)(Formal...), Actual&&... actual) const {
        host::Outcome<Return> outcome{plugin::Fault::none, start, {}};
        if (ground->guarded) {
            ground->guard.set_budget(budget);
            const auto called = ground->guard.call(function, actual...);
            outcome.fault = called.fault;
            if (called.fault == plugin::Fault::over_budget)
                outcome.end = start + budget;
            if constexpr (!std::is_void_v<Return>)
                outcome.answer = called.answer;
        } else if constexpr (std::is_void_v<Return>) {
            function(actual...);
        } else {
            outcome.answer = function(actual...);
        }
        return outcome;
    }
    [[nodiscard]] landmark::PolicyReport& report() const { return ground->report; }
    void count(Hook, Nanos took) const { host::count_hook(ground->report, took); }
    [[nodiscard]] static Policy fallback() { return {&fallback_descriptor(), nullptr, {}}; }
    [[nodiscard]] static bool is_built_in(const Policy& policy) {
        return policy.descriptor == &fallback_descriptor();
    }
    void changes(const Policy* from, const Policy& to) const {
        if (from != nullptr && from->retire)
            from->retire();
        const TextRange text = text_of_object(to.descriptor);
        ground->guard.watch(text);
        ground->guarded = !text.empty();
    }
    static void takes_over(const Policy&) {}
    void ejected(Hook hook, plugin::Fault fault, RealTime at, const char* why) const {
        if (!ground->eject)
            throw Misconduct{std::string{enum_name(hook)} + ": " + why + " at " +
                             std::to_string(at.since_start().count()) + " ns"};
        if (ground->on_eject)
            ground->on_eject(hook, fault);
    }
    [[noreturn]] static void give_up(const char* why) {
        throw std::logic_error{std::string{"no policy is left, not even the built-in one: "} + why};
    }
    // A policy that still uses the object will see rubbish.
    static void forget(void* object, std::uint32_t bytes) {
        std::memset(object, 0xdd, bytes);
        host::forbid(reinterpret_cast<std::uint64_t>(object), bytes);
    }
};

// The values of a domain's parameters for a host's state: those that were given, and the first policy's own
// defaults for the rest. None given: none.
template<class State>
void give_values(State& state, std::span<const std::int64_t> values, const plugin::Descriptor& first) {
    state.has_values = !values.empty();
    for (std::size_t i = 0; i < first.domain_parameter_count; ++i)
        state.values[i] = i < values.size() ? values[i] : first.domain_parameters[i].initial;
}

} // namespace bulkhead::sim
