// What the hypervisor's worlds of policies have in common: the services behind plugin::Host, the memory of
// the policy's objects, guarded calls, and what is written down of a takeover and an ejection.
#pragma once

#include "abi/enum_name.hpp"
#include "host/active_policy.hpp"
#include "hv/base/machine.hpp"
#include "hv/plugin/guard.hpp"
#include "hv/plugin/loader.hpp"
#include "hv/plugin/strict.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/trace.hpp"

namespace bulkhead::hv {

namespace policy_memory {
// Gives a page of a policy's region memory. False if it is short.
[[nodiscard]] bool back_page(std::uint64_t address);
} // namespace policy_memory

struct Explanation {
    char text[160];
};
// What the exception was that has just ended a hook on this pCPU. Empty for other faults.
[[nodiscard]] Explanation explain(plugin::Fault fault);

// In trace and log.
void note_takeover(const LoadedPlugin& plugin, bool built_in);
void note_ejection(plugin::Kind kind, std::uint32_t hook, const char* hook_name, plugin::Fault fault,
                   const char* name, const char* why);

// `number` is the place of the kind's report in the landmark; its regions begin at `memory`.
template<class Kind, plugin::Kind kind, const plugin::Descriptor& (*fallback_descriptor)(),
         std::uint64_t memory, std::uint32_t number>
struct PolicyWorld {
    using Plugin = LoadedPlugin;
    using Hook = typename Kind::Hook;

    [[nodiscard]] static RealTime now() { return machine::now(); }
    static void note(std::uint64_t code, std::uint64_t value) {
        trace_event(trace::Event::policy_note, code, value);
    }
    [[nodiscard]] static bool back_page(std::uint64_t address) { return policy_memory::back_page(address); }
    [[nodiscard]] static std::uint64_t region(std::uint32_t set, std::uint32_t region) {
        return memory + (set * regions_of_set + region) * host::region_bytes;
    }
    template<class Return, class... Formal, class... Actual>
    [[nodiscard, gnu::always_inline]] static inline host::Outcome<Return>
    call(const LoadedPlugin& plugin, Nanos budget, Hook, RealTime start, Return (*function)(Formal...),
         Actual&&... actual) {
        return guarded(plugin.ranges, budget, start, function, actual...);
    }
    [[nodiscard]] static landmark::PolicyReport& report() { return landmark_page().policies[number]; }
    [[gnu::always_inline]] static inline void count(Hook, Nanos took) { host::count_hook(report(), took); }
    [[nodiscard]] static LoadedPlugin fallback() { return {&fallback_descriptor(), {}}; }
    [[nodiscard]] static bool is_built_in(const LoadedPlugin& plugin) { return plugin.ranges.end == 0; }
    static void changes(const LoadedPlugin*, const LoadedPlugin&) {}
    static void settles(LoadedPlugin& plugin, std::uint32_t set) {
        plugin.ranges.memory = region(set, 0);
        plugin.ranges.memory_end = region(set + 1, 0);
    }
    // A hook under the strict guard steps out of it for a service.
    static void lends(plugin::Host& host) {
        if (!strict::is_on())
            return;
        services = host;
        host = {.context = host.context,
                .pcpus = host.pcpus,
                .now = outside<&plugin::Host::now>,
                .random = outside<&plugin::Host::random>,
                .allocate = outside<&plugin::Host::allocate>,
                .note = outside<&plugin::Host::note>,
                .kick = outside<&plugin::Host::kick>};
    }
    static void serves(std::uint16_t) {} // a loop over services is found by the clock
    static void takes_over(const LoadedPlugin& plugin) { note_takeover(plugin, is_built_in(plugin)); }
    static void ejected(Hook hook, plugin::Fault fault, RealTime, const char* why) {
        note_ejection(kind, static_cast<std::uint32_t>(hook), enum_name(hook), fault, report().name, why);
    }
    [[nodiscard]] static Explanation explain(plugin::Fault fault) { return hv::explain(fault); }
    [[noreturn]] static void give_up(const char* why) {
        why == Kind::no_memory ? machine::out_of_memory(why) : machine::panic(why);
    }
    static void forget(void*, std::uint32_t) {} // stays mapped until another has the slot

  private:
    static constexpr std::uint64_t regions_of_set = Kind::pools + 1;
    static inline constinit plugin::Host services{}; // as its host made them
    template<auto service, class Return, class... Arguments>
    static Return outside(void* context, Arguments... arguments) {
        const strict::Outside step;
        return (services.*service)(context, arguments...);
    }

  public:
    static constexpr std::uint64_t end_of_memory =
        memory + host::policy_sets * regions_of_set * host::region_bytes;
};

} // namespace bulkhead::hv
