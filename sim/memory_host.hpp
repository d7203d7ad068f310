// The host of a memory policy: the machine's frames, who owns which, and every domain's target. It keeps
// every promise of memctl/contract.hpp to the policy and checks every answer; a wrong one ejects the policy,
// and no frame is lost or given twice. It knows neither pCPUs nor guests, so tests can drive it alone.
#pragma once

#include "memctl/contract.hpp"
#include "sim/desk.hpp"
#include "sim/slab.hpp"

#include <memory>
#include <string>
#include <vector>

namespace bulkhead::sim {

using memctl::Frames;

class MemoryHost {
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
        std::vector<std::int64_t> values; // of the policy that began; none: its defaults
    };
    using Hook = memctl::Hook;

    MemoryHost(Policy policy, const Options& options);
    ~MemoryHost();
    MemoryHost(const MemoryHost&) = delete;
    MemoryHost& operator=(const MemoryHost&) = delete;

    // Whether the policy lets the domain in; then it has a target and no frames.
    bool admit(Claim claim, RealTime now);
    void depart(DomainId id, RealTime now);
    // So many frames more for the domain, up to `wanted` and up to its target; as many as there are.
    Frames populate(DomainId id, Frames wanted, RealTime now);
    // Takes that many of its frames back; fewer if it has fewer.
    Frames release(DomainId id, Frames count, RealTime now);
    void missed(DomainId id, std::uint64_t times);
    void sample(DomainId id, Frames looked_at, Frames used, RealTime now);
    void rebalance(RealTime now);
    // How many frames the policy wants taken from the domain by force; none if it is not over its target.
    Frames to_reclaim(DomainId id, RealTime now);
    void set_weight(DomainId id, std::uint32_t weight, RealTime now);
    void replace(Policy policy, RealTime now);

    [[nodiscard]] bool knows(DomainId id) const { return find(id) != nullptr; }
    [[nodiscard]] Frames target(DomainId id) const { return known(id).target; }
    [[nodiscard]] Frames has(DomainId id) const {
        return Frames{static_cast<std::int64_t>(known(id).frames.size())};
    }
    [[nodiscard]] std::span<const std::uint32_t> frames_of(DomainId id) const { return known(id).frames; }
    [[nodiscard]] Frames free() const;
    [[nodiscard]] std::span<const memctl::Zone> zones() const { return zones_; }
    [[nodiscard]] std::uint16_t zone_of(std::uint32_t frame) const;
    [[nodiscard]] const landmark::PolicyReport& report() const { return report_; }
    [[nodiscard]] const plugin::Descriptor& policy() const { return *policy_.descriptor; }
    Desk& desk() { return desk_; }

    std::function<void(DomainId, Frames target)> on_target; // it has changed
    std::function<void(Hook, plugin::Fault)> on_eject;

  private:
    struct Entry {
        Claim claim;
        Frames target{};
        std::uint64_t missed = 0;
        RealTime over_since = RealTime::never();
        std::vector<std::uint32_t> frames;
        memctl::Domain* policy = nullptr;
    };

    void install(Policy policy);
    void enter(Entry& entry);
    void refresh(Entry& entry) const;
    void set_targets(std::span<const memctl::Row> rows);
    [[nodiscard]] const char* wrong(std::span<const memctl::Row> rows) const;
    [[nodiscard]] const char* wrong(const memctl::Grant& grant, Frames wanted) const;
    void take(Entry& entry, const memctl::Grant& grant);
    void note_excess(Entry& entry) const;
    void eject(Hook hook, plugin::Fault fault, const std::string& what);
    void leave(Entry& entry);
    [[nodiscard]] Entry* find(DomainId id) const;
    [[nodiscard]] Entry& known(DomainId id) const;
    const memctl::Hooks& call() {
        ++report_.hook_calls;
        return *hooks_;
    }

    Options options_;
    Desk desk_;
    Policy policy_;
    const memctl::Hooks* hooks_ = nullptr;
    void* object_ = nullptr;
    std::unique_ptr<Slab> objects_;
    std::vector<memctl::Zone> zones_;
    std::vector<std::vector<std::uint32_t>> free_; // frames of each zone, the next one last
    std::vector<std::unique_ptr<Entry>> entries_;  // in the order of admission
    Policy first_;                                 // the one that domains were given values for
    landmark::PolicyReport report_{};
};

} // namespace bulkhead::sim
