// How policies of any kind take over from one another: at the start, by a swap, and when the built-in
// fallback follows a policy that is ejected. It never judges an answer: the kind's host does, and calls
// eject.
#pragma once

#include "host/active_policy.hpp"

namespace bulkhead::host {

// `Host` is the kind's host, which derives from this and befriends it. It has
//
//   bool build(const Plugin&, const std::int64_t* values, Fault& fault)
//                                          makes the plug-in the active policy, and constructs it. False if
//                                          memory is short: then the former one is still active. `fault` is
//                                          what its constructors did
//   bool reserve(Pool*)                    gives a set's pools memory for all that the host keeps
//   void enter_all()                       gives the active policy all that the host keeps, or begins to: a
//                                          host that keeps much goes on in steps. If the policy fails
//                                          meanwhile, the fallback follows it in the same way
//   void fallback_is_in_charge()           (optional) after an ejection
//
// `Kind` names what to say when nothing can go on: no_memory, no_fallback.
template<class Host, class World, class Kind>
class Takeover : public ActivePolicy<World, Kind> {
    using Base = ActivePolicy<World, Kind>;

  public:
    using Hook = typename Kind::Hook;
    using Plugin = typename World::Plugin;

    using Base::Base;

    // Makes the plug-in the policy of a host that keeps nothing yet. If it fails already here, the fallback
    // is in charge afterwards.
    void start(const Plugin& plugin, const std::int64_t* values) {
        const auto reserve = [this](Pool* pools) { return self().reserve(pools); };
        if (!this->prepare_fallback(reserve) || !replace(plugin, values))
            this->world().give_up(Kind::no_memory);
    }
    // Another policy takes over with all that the host keeps. False if memory is short: then the former
    // policy stays. If the new one fails here, the fallback is in charge afterwards.
    [[nodiscard]] bool replace(const Plugin& plugin, const std::int64_t* values) {
        auto fault = plugin::Fault::none;
        if (!self().build(plugin, values, fault))
            return false;
        this->describe(values);
        this->world().takes_over(plugin);
        if (fault != plugin::Fault::none)
            eject(Hook::create, fault, this->world().now(), reason(fault));
        else
            self().enter_all();
        return true;
    }

  protected:
    // Calls a hook; on misconduct the fallback is in charge when this returns a fault. `start` is now, or the
    // instant that was just read for the hook.
    template<class Return, class... Formal, class... Actual>
    [[gnu::always_inline]] inline auto call_within(Nanos budget, Hook hook, RealTime start,
                                                   Return (*function)(Formal...), Actual&&... actual) {
        const auto outcome = this->guarded(hook, budget, start, function, actual...);
        if (!outcome.well()) [[unlikely]]
            eject(hook, outcome.fault, outcome.end, reason(outcome.fault));
        return outcome;
    }
    // The same within the usual budget of a hook.
    template<class Return, class... Formal, class... Actual>
    [[gnu::always_inline]] inline auto call(Hook hook, RealTime start, Return (*function)(Formal...),
                                            Actual&&... actual) {
        return call_within(this->active().budget, hook, start, function, actual...);
    }

    [[gnu::cold, gnu::noinline]] void eject(Hook hook, plugin::Fault fault, RealTime at, const char* why) {
        this->note_ejection(hook, fault, at, why);
        auto failed = plugin::Fault::none;
        if (!self().build(this->world().fallback(), nullptr, failed) || failed != plugin::Fault::none)
            this->world().give_up(Kind::no_fallback);
        self().enter_all();
        self().fallback_is_in_charge();
    }
    void fallback_is_in_charge() {}

  private:
    Host& self() { return static_cast<Host&>(*this); }
};

} // namespace bulkhead::host
