// The frames of the simulated machine, which domain has which, and the host of the memory policy that shares
// them out. It knows neither pCPUs nor guests, so tests can drive it alone; it never judges an answer: the
// host does.
#pragma once

#include "host/memory_host.hpp"
#include "sim/policy_world.hpp"

#include <map>
#include <vector>

namespace bulkhead::sim {

using memctl::Frames;

class MachineMemory;

// MachineMemory as a world of host/memory_host.hpp.
struct MemoryWorld : PolicyWorld<host::MemoryKind, host::fallback_memory_policy> {
    struct Domain {
        DomainId id;
        host::MemoryState memory{};
        std::vector<std::uint32_t> frames{};
        bool has_times = false; // else it always runs
    };
    MachineMemory* owner;

    [[nodiscard]] std::span<memctl::Zone> zones() const;
    void take(Domain& domain, memctl::ZoneId zone, Frames count) const;
    [[nodiscard]] memctl::ZoneId give_back(Domain& domain) const;
    void target_changes(const Domain& domain, Frames target) const;
};

class MachineMemory {
  public:
    struct Options {
        Frames frames{}; // for domains
        std::uint32_t zones = 1;
        std::uint64_t seed = 1;
        bool eject = true; // else throw Misconduct
    };
    // What a domain is, to be admitted.
    struct Claim {
        DomainId id{};
        std::uint32_t weight = memctl::default_weight;
        Frames least{}, most{};
        Frames first{};                   // it brings them along
        std::vector<std::int64_t> values; // of the policy that began; none: its defaults
    };
    using Hook = memctl::Hook;

    MachineMemory(const Policy& policy, const Options& options);
    MachineMemory(const MachineMemory&) = delete;
    MachineMemory& operator=(const MachineMemory&) = delete;

    // As host::MemoryHost, for domains by their id. An id that was not admitted throws std::logic_error.
    bool admit(const Claim& claim, RealTime now);
    void depart(DomainId id, RealTime now);
    Frames populate(DomainId id, Frames wanted, RealTime now) { return at(now).populate(known(id), wanted); }
    Frames release(DomainId id, Frames count, RealTime now) { return at(now).release(known(id), count); }
    // The same, but the domain does not do it itself.
    Frames take_back(DomainId id, Frames count, RealTime now) { return at(now).take_back(known(id), count); }
    // What the domain's vCPUs have run in all, and waited for a pCPU; until this is called, it always runs.
    void set_times(DomainId id, Nanos ran, Nanos waited);
    void missed(DomainId id, std::uint64_t times) { host_.missed(known(id), times); }
    void stalled(DomainId id, Nanos wait, std::uint64_t refaults) {
        host_.stalled(known(id), wait, refaults);
    }
    void sample(DomainId id, Frames looked_at, Frames used, RealTime now) {
        at(now).sample(known(id), looked_at, used);
    }
    void rebalance(RealTime now);
    Frames to_reclaim(DomainId id, RealTime now) { return at(now).to_reclaim(known(id)); }
    void set_weight(DomainId id, std::uint32_t weight, RealTime now);
    [[nodiscard]] host::Change change(DomainId id, const plugin::ValueChanges& changes, RealTime now);
    void replace(const Policy& policy, RealTime now);

    [[nodiscard]] bool knows(DomainId id) const { return domains_.contains(id.value()); }
    [[nodiscard]] Frames target(DomainId id) const { return known(id).memory.target; }
    [[nodiscard]] Frames has(DomainId id) const { return known(id).memory.has; }
    [[nodiscard]] std::span<const std::uint32_t> frames_of(DomainId id) const { return known(id).frames; }
    [[nodiscard]] Frames free() const { return host_.free(); }
    [[nodiscard]] memctl::ZoneId zone_of(std::uint32_t frame) const;
    [[nodiscard]] std::uint32_t first_of(std::uint32_t zone) const { // frame
        return zone * static_cast<std::uint32_t>(zones_.front().frames.count());
    }
    [[nodiscard]] const landmark::PolicyReport& report() const { return ground_.report; }
    [[nodiscard]] const plugin::Descriptor& policy() const { return host_.descriptor(); }

    // The domain's target is about to be another; the policy noted something, or was ejected.
    std::function<void(DomainId, Frames target)> on_target;
    auto& on_note() { return ground_.on_note; }
    auto& on_eject() { return ground_.on_eject; }

  private:
    friend struct MemoryWorld;
    using Domain = MemoryWorld::Domain;

    host::MemoryHost<MemoryWorld>& at(RealTime now) {
        ground_.now = now;
        return host_;
    }
    void settle(Domain& domain, Frames first);
    [[nodiscard]] const Domain& known(DomainId id) const;
    [[nodiscard]] Domain& known(DomainId id) { return const_cast<Domain&>(std::as_const(*this).known(id)); }

    PolicyGround<host::MemoryKind> ground_;
    const plugin::Descriptor* first_; // of the policy that domains are given values for
    std::vector<memctl::Zone> zones_;
    std::vector<std::vector<std::uint32_t>> free_; // frames of each zone, the next one last
    std::map<std::uint16_t, Domain> domains_;
    host::MemoryHost<MemoryWorld> host_;
};

} // namespace bulkhead::sim
