// The active policy of one kind, and all that a host keeps for it: its plug-in, its object, the pools of its
// own types, its arena. Two sets of these exist, so that a successor is built while the former policy's data
// still stands, and a third one for the fallback alone, which has its memory beforehand: it can take over
// when none is left. Every call of a hook passes here and is counted. Answers are judged by the kind's host,
// never here.
#pragma once

#include "host/changed_values.hpp"
#include "host/outcome.hpp"
#include "host/pool.hpp"
#include "host/report.hpp"

#include <string_view>

namespace bulkhead::host {

// A constructor of a policy may take as long as all its pCPUs, zones or rings need.
inline constexpr Nanos construction_budget = milliseconds(5);
// The fallback's. No other policy could take its place, and where time is not counted in instructions a hook
// may be late because the computer was elsewhere.
inline constexpr Nanos without_limit = milliseconds(3'600'000);
inline constexpr std::uint32_t policy_sets = 3;

// What a host asks of the world that it stands in, besides what the kind's host names:
//
//   typename Plugin                        a loaded policy: has `const plugin::Descriptor* descriptor`
//   RealTime now()                         never goes backwards
//   std::uint64_t random()                 from the run's seed
//   void note(code, value)                 a policy_note in the trace
//   std::uint32_t policy_pcpus()           what plugin::Host says of pCPUs
//   void kick(PcpuId)                      what plugin::Host promises of a kick
//   bool back_page(std::uint64_t address)  gives a page of a region memory
//   std::uint64_t region(set, number)      where a region's addresses begin; region_bytes apart. There are
//                                          `policy_sets` sets
//   Outcome<R> call(const Plugin&, Nanos budget, Hook, RealTime start, R (*)(...), arguments...)
//                                          calls a hook under guard: whatever the plug-in does, this returns
//   PolicyReport& report()                 of this kind
//   void count(Hook, Nanos took)           a hook was called: for the report (host::count_hook)
//   bool is_built_in(const Plugin&)        whether it is the fallback
//   void changes(const Plugin* from, const Plugin& to)
//                                          no hook of `from` (nullptr: of none) is called any more, those of
//                                          `to` from here on
//   void takes_over(const Plugin&)         it has been constructed (trace, log)
//   void serves(std::uint16_t work)        a hook uses a service that takes as long as so many simple ones;
//   it
//                                          may not return if the hook has asked for too much
//   void ejected(Hook, Fault, RealTime, const char* why)  after the report was written (trace, log)
//   [[noreturn]] void give_up(const char* why)            the run cannot go on: no policy is left
//   explain(Fault)                               optional: returns a value whose member `text` has more words
//                                                for the fault that has just ended a hook, or is empty
//   void settles(Plugin&, std::uint32_t set)     optional: this copy of a plug-in has the regions of that set
//   void lends(plugin::Host&)                    optional: puts something of its own before services
//
// `Kind` names Hooks, Hook, hook_budget, and how many pools a policy of this kind has.
template<class World, class Kind>
class ActivePolicy {
  public:
    using Hook = typename Kind::Hook;
    using Plugin = typename World::Plugin;

    constexpr explicit ActivePolicy(World world) : world_{world} {}
    ActivePolicy(const ActivePolicy&) = delete;
    ActivePolicy& operator=(const ActivePolicy&) = delete;

    [[nodiscard]] bool is_built_in() const { return active_->built_in; }
    [[nodiscard]] const plugin::Descriptor& descriptor() const { return *active_->plugin.descriptor; }
    [[nodiscard]] const Plugin& plugin() const { return active_->plugin; }
    [[nodiscard]] bool may_idle() const {
        return (descriptor().traits & static_cast<std::uint32_t>(plugin::Trait::idles)) != 0;
    }
    // Whether the active policy takes these changes of a domain's parameters.
    [[nodiscard]] Change judge(const plugin::ValueChanges& changes) const {
        const bool is_fixed =
            (descriptor().traits & static_cast<std::uint32_t>(plugin::Trait::fixes_values)) != 0;
        return host::judge(descriptor(), is_fixed, changes);
    }
    [[nodiscard]] bool hears_completions() const {
        return (descriptor().traits & static_cast<std::uint32_t>(plugin::Trait::ignores_completions)) == 0;
    }

  protected:
    struct Set {
        Plugin plugin{};
        const typename Kind::Hooks* hooks = nullptr;
        void* object = nullptr;
        Nanos budget{}; // of a hook
        bool built_in = false;
        Arena arena;
        Pool pools[Kind::pools];
    };

    // Calls a hook of the active policy. `start` is now, or the instant that was just read for the hook.
    template<class Return, class... Formal, class... Actual>
    [[gnu::always_inline]] inline Outcome<Return> guarded(Hook hook, Nanos budget, RealTime start,
                                                          Return (*function)(Formal...), Actual&&... actual) {
        const auto outcome = world_.call(active_->plugin, budget, hook, start, function, actual...);
        world_.count(hook, outcome.end - start);
        return outcome;
    }

    // Puts the plug-in into a free set and makes that the active one: its object and arena are there, nothing
    // is constructed. `reserve(Pool*)` gives its pools the memory that they need from the start. False if
    // memory is short; then the former policy is still the active one.
    template<class Reserve>
    [[nodiscard]] bool install(const Plugin& plugin, Reserve reserve) {
        const std::uint32_t number = world_.is_built_in(plugin) ? of_fallback : active_ == &sets_[0] ? 1 : 0;
        if (!furnish(number, plugin, reserve))
            return false;
        Set& set = sets_[number];
        world_.changes(active_ != nullptr ? &active_->plugin : nullptr, set.plugin);
        active_ = &set;
        fill_services();
        hooks_ = set.hooks;
        object_ = set.object;
        if (first_.descriptor == nullptr)
            first_ = plugin;
        return true;
    }
    [[nodiscard]] bool install(const Plugin& plugin) {
        return install(plugin, [](Pool*) { return true; });
    }
    // Before any policy serves: the memory that install() of the fallback needs. False if it is short.
    template<class Reserve>
    [[nodiscard]] bool prepare_fallback(Reserve reserve) {
        return furnish(of_fallback, world_.fallback(), reserve);
    }
    // Memory in the fallback for the first `count` objects of a pool. To be had before one of them is the
    // active policy's, so that the fallback can always follow. False if it is short.
    [[nodiscard]] bool reserve_in_fallback(std::uint32_t pool, std::uint32_t count) {
        return sets_[of_fallback].pools[pool].reserve(world_, count);
    }
    [[nodiscard]] Nanos budget_to_construct() const {
        return active_->built_in ? without_limit : construction_budget;
    }

    // The report names the policy; but one that was ejected before stays named.
    void describe(const std::int64_t* values) {
        if (world_.report().ejected == 0)
            host::describe(world_.report(), descriptor(), values);
    }

    // Writes down why the active policy is about to be replaced.
    void note_ejection(Hook hook, plugin::Fault fault, RealTime at, const char* why) {
        if (active_->built_in)
            world_.give_up(why);
        if constexpr (requires { world_.explain(fault); }) {
            const auto words = world_.explain(fault);
            write_down(hook, fault, at, words.text[0] != '\0' ? words.text : why);
        } else {
            write_down(hook, fault, at, why);
        }
    }

    void write_down(Hook hook, plugin::Fault fault, RealTime at, const char* why) {
        if (auto& out = world_.report(); out.ejected == 0) { // the first misconduct is the one that is told
            out.ejected = static_cast<std::uint32_t>(fault);
            out.hook = static_cast<std::uint32_t>(hook);
            out.ejected_at = at.since_start().count();
            landmark::copy_text(out.why, why);
        }
        world_.ejected(hook, fault, at, why);
    }

    // Judges changes and writes them into the host's state of a domain; the policy is not told yet.
    template<class State>
    [[nodiscard]] Change note_changes(State& state, const plugin::ValueChanges& changes) {
        const Change judged = judge(changes);
        return judged == Change::done && !state.changed.note(changes) ? Change::too_many : judged;
    }

    // The values of a domain's parameters, from the host's state of it: as they were changed while it ran,
    // for any policy that knows them; else those that it was given, for the policy that the run began with
    // (or the same one from another file); else the policy's own defaults.
    template<class State>
    void fill_values(std::int64_t (&to)[plugin::max_domain_parameters], const State& state) const {
        const auto rows = domain_rows(descriptor());
        const bool is_first =
            descriptor().domain_parameter_count == first_.descriptor->domain_parameter_count &&
            std::string_view{descriptor().name} == first_.descriptor->name;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            to[i] = state.has_values && is_first ? state.values[i] : rows[i].initial;
            if (state.changed.empty())
                continue;
            const auto changed = state.changed.find(plugin::key_of(rows[i].name, rows[i].unit));
            if (changed && is_in_range(rows[i], *changed))
                to[i] = *changed;
        }
    }

    [[nodiscard]] const typename Kind::Hooks& hooks() const { return *hooks_; }
    [[nodiscard]] void* object() const { return object_; }
    [[nodiscard]] Set& active() { return *active_; }
    [[nodiscard]] const Set& active() const { return *active_; }
    [[nodiscard]] World& world() { return world_; }
    [[nodiscard]] const plugin::Host& services() const { return services_; }

  private:
    static constexpr std::size_t object_alignment = 64;
    static constexpr std::uint32_t of_fallback = 2;
    void fill_services() {
        services_ = {
            .context = this,
            .pcpus = world_.policy_pcpus(),
            .now = [](void* self) { return serving(self).world_.now(); },
            .random = [](void* self) { return serving(self).world_.random(); },
            .allocate =
                [](void* self, std::size_t bytes, std::size_t alignment) {
                    ActivePolicy& host = serving(self, 1 + std::min(bytes, plugin::arena_bytes) / 128);
                    return host.active_->arena.allocate(host.world_, bytes, alignment);
                },
            .note = [](void* self, std::uint64_t code,
                       std::uint64_t value) { serving(self).world_.note(code, value); },
            .kick = [](void* self, PcpuId pcpu) { serving(self).world_.kick(pcpu); },
        };
        if constexpr (requires { world_.lends(services_); })
            world_.lends(services_);
    }
    // Gives a set its plug-in, object, arena and pools. It is not the active one.
    template<class Reserve>
    [[nodiscard]] bool furnish(std::uint32_t number, const Plugin& plugin, Reserve reserve) {
        Set& set = sets_[number];
        set.plugin = plugin;
        if constexpr (requires { world_.settles(set.plugin, number); })
            world_.settles(set.plugin, number);
        set.hooks = static_cast<const typename Kind::Hooks*>(plugin.descriptor->hooks);
        set.built_in = world_.is_built_in(plugin);
        set.budget = set.built_in ? without_limit : Kind::hook_budget;
        for (std::uint32_t i = 0; i < Kind::pools; ++i)
            set.pools[i].start(world_.region(number, i), Kind::bytes(*plugin.descriptor, i),
                               Kind::is_array(i));
        set.arena.start(world_.region(number, Kind::pools));
        set.object = set.arena.allocate(world_, plugin.descriptor->policy_bytes, object_alignment);
        return set.object != nullptr && reserve(set.pools);
    }
    // Memory is mapped and zeroed: that takes as long as a simple service for every 128 bytes.
    static ActivePolicy& serving(void* self, std::size_t work = 1) {
        static_cast<ActivePolicy*>(self)->world_.serves(static_cast<std::uint16_t>(work));
        return *static_cast<ActivePolicy*>(self);
    }

    [[no_unique_address]] World world_;
    Set* active_ = nullptr;
    const typename Kind::Hooks* hooks_ = nullptr; // the active set's, close at hand
    void* object_ = nullptr;
    Set sets_[policy_sets];
    Plugin first_{}; // the one that domains were given values for; kept, so that its file stays loaded
    plugin::Host services_{};
};

} // namespace bulkhead::host
