// The other side of memctl/contract.hpp, for every world with memory to share out. The host keeps the
// policy's objects, counts the frames of each domain, checks every answer, and puts the built-in fallback in
// the place of a policy that misbehaves. It never names a policy and never sees a frame: those stay with the
// world.
//
// The world calls every function with the lock of the machine's memory held.
#pragma once

#include "host/fallbacks.hpp"
#include "host/memory_state.hpp"
#include "host/takeover.hpp"

#include <algorithm>
#include <boost/intrusive/parent_from_member.hpp>
#include <span>
#include <utility>

namespace bulkhead::host {

struct MemoryKind {
    using Hooks = memctl::Hooks;
    using Hook = memctl::Hook;
    static constexpr Nanos hook_budget = memctl::hook_budget;
    static constexpr const char* no_memory = "no memory for the memory policy: give the machine more (--mem)";
    static constexpr const char* no_fallback = "the built-in fallback memory policy cannot start";
    enum Pools : std::uint32_t { domains, rows, pools };
    [[nodiscard]] static std::uint32_t bytes(const plugin::Descriptor& descriptor, std::uint32_t pool) {
        return pool == domains ? descriptor.domain_bytes : sizeof(memctl::Row);
    }
    [[nodiscard]] static constexpr bool is_array(std::uint32_t pool) { return pool == rows; }
};

// Besides what ActivePolicy asks for, the world has
//
//   type Domain                            with members `memory` (host/memory_state.hpp) and `id`
//   std::span<memctl::Zone> zones()        id and frames of each are set; the host counts what is free
//   void take(Domain&, ZoneId, Frames)     that many free frames of the zone become the domain's
//   memctl::ZoneId give_back(Domain&)      a frame of the domain becomes free; the zone that it is of
//   void target_changes(Domain&, Frames)   the domain's target is about to be this
//   void forget(void* object, bytes)       the policy has no right to this memory any more
template<class World>
class MemoryHost : public Takeover<MemoryHost<World>, World, MemoryKind> {
    using Base = Takeover<MemoryHost<World>, World, MemoryKind>;
    friend Base;
    using Set = typename Base::Set;
    using Frames = memctl::Frames;

  public:
    using Hook = memctl::Hook;
    using Plugin = typename World::Plugin;
    using Domain = typename World::Domain;

    using Base::Base;

    // Makes the plug-in the policy of a machine without domains, whose frames are all free. If it fails
    // already here, the fallback is in charge afterwards.
    void start(const Plugin& plugin, const std::int64_t* values);
    // Whether the policy lets the domain in, and memory for its part is there. Then it has a target and no
    // frames, and must not move until it departs.
    [[nodiscard]] bool admit(Domain& domain);
    // Its frames are free afterwards.
    void depart(Domain& domain);
    // So many frames more for the domain, up to `wanted` and up to its target; as many as there are.
    Frames populate(Domain& domain, Frames wanted);
    // The domain gives so many frames back; fewer if it has fewer.
    Frames release(Domain& domain, Frames count);
    // The same without the domain's help, which says nothing of its balloon.
    Frames take_back(Domain& domain, Frames count);
    // The domain has so many frames: it brought some along when it was created, or parted with some without a
    // call of release. Those that come or go are of that zone.
    void settle(Domain& domain, memctl::ZoneId zone, Frames has);
    // It wanted a frame so many times and did not get one.
    void missed(Domain& domain, std::uint64_t times) { domain.memory.missed += times; }
    // Its guest claims that it waits, or waited, for so many pages that it had paged out, so long in all.
    void stalled(Domain& domain, Nanos wait, std::uint64_t refaults);
    void sample(Domain& domain, Frames looked_at, Frames used);
    void rebalance();
    // How many frames the policy wants taken from the domain by force; none if it is not over its target.
    [[nodiscard]] Frames to_reclaim(Domain& domain);
    // The domain's weight has changed.
    void tune(Domain& domain);
    // Parameters of the domain change; the policy hears of them if all are taken.
    [[nodiscard]] Change change(Domain& domain, const plugin::ValueChanges& changes);

    [[nodiscard]] Frames free() const { return free_; } // in all zones

  private:
    using Order = boost::intrusive::list<
        MemoryState,
        boost::intrusive::member_hook<MemoryState, boost::intrusive::list_member_hook<>, &MemoryState::order>,
        boost::intrusive::constant_time_size<false>>;

    // Calls a hook within its own budget.
    template<class Return, class... Formal, class... Actual>
    auto call(Hook hook, Nanos budget, Return (*function)(Formal...), Actual&&... actual) {
        return this->call_within(this->is_built_in() ? without_limit : budget, hook, this->world().now(),
                                 function, actual...);
    }
    using Base::eject;
    using Base::hooks;
    using Base::object;

    [[nodiscard]] bool reserve(Pool* pools);
    [[nodiscard]] bool build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault);
    static void construct(MemoryHost& self, const std::int64_t* values);
    static bool introduce(MemoryHost& self, MemoryState& state);
    [[nodiscard]] bool make_room(MemoryState& state);
    void enter_all();
    void leave(MemoryState& state);
    void refresh(const MemoryState& state);
    void set_targets(std::span<const memctl::Row> rows);
    void note_excess(MemoryState& state);
    void note_given(MemoryState& state, Frames given);
    [[nodiscard]] memctl::Balloon balloon_of(const MemoryState& state);
    [[nodiscard]] std::span<memctl::Row> fill_rows();
    [[nodiscard]] const char* wrong(std::span<const memctl::Row> rows) const;
    [[nodiscard]] const char* wrong(const memctl::Grant& grant, Frames wanted);
    [[nodiscard]] static Domain& domain_of(MemoryState& state) {
        return *boost::intrusive::get_parent_from_member(&state, &Domain::memory);
    }

    Order domains_;            // in the order of admission
    std::uint32_t count_ = 0;  // of them
    Frames frames_, promised_; // of the machine; the sum of what the domains cannot live without
    Frames free_;
    RealTime rebalanced_{}; // last
};

} // namespace bulkhead::host

#include "host/memory_host_life.hpp"
#include "host/memory_host_run.hpp"
