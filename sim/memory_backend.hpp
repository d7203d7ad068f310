// Memory of the simulated machine as its guests meet it: they get frames when they use pages, give them back
// when they are asked to, and page when they have too few. The back end never decides how many frames a
// guest has: the memory policy does.
#pragma once

#include "sim/guest_pages.hpp"
#include "sim/machine.hpp"
#include "sim/machine_memory.hpp"

#include <map>
#include <optional>

namespace bulkhead::sim {

struct MemoryPlan {
    std::optional<Policy> policy; // none: the built-in one
    Frames frames{};              // for guests
    std::uint32_t zones = 1;
    Nanos period = milliseconds(100); // between two looks at all domains
    Nanos swap = microseconds(4'000); // a guest waits so long for a page that is out
    Nanos fault{};                    // hypervisor's work for a frame that a guest gets, or gives back
    Nanos look{};                     // and for a domain in each period
};

class MemoryBackend {
  public:
    MemoryBackend(Machine& machine, MemoryPlan plan, std::uint64_t seed);

    // Whether the policy lets the domain in. One that does not page (`pages` false) has all its frames in
    // use, takes what its target allows and gives back at once.
    bool admit(Domain& domain, Frames least, Frames most, std::span<const std::int64_t> values, bool pages);
    void gone(const Domain& domain);
    void set_weight(const Domain& domain);
    void swap(const Policy& policy); // it takes over all domains, with their frames, weights and targets
    void on_alarm();
    [[nodiscard]] bool owns(const Deadline& deadline) const { return &deadline == &alarm_; }
    [[nodiscard]] const landmark::PolicyReport& report() const { return memory_.report(); }
    [[nodiscard]] const plugin::Descriptor& policy() const { return memory_.policy(); }

    // For the programs of guests that page. The first three cost no time.
    bool use(const Domain& domain, std::size_t page);
    [[nodiscard]] std::size_t pages(const Domain& domain) const;
    [[nodiscard]] std::int64_t excess(const Domain& domain) const; // frames above the target
    // Gives a page a frame. When the page will be there.
    [[nodiscard]] RealTime ready_at(const Domain& domain) const;
    void fault(Domain& domain, std::size_t page);
    void release(Domain& domain, std::int64_t frames);

  private:
    struct Guest {
        Domain* domain;
        std::optional<GuestPages> pages;
        RealTime ready{};
        std::vector<std::uint32_t> watched{}; // pages whose use in this period is the sample
        std::int64_t to_take = 0;             // frames that the policy wants taken by force
    };
    void retarget(DomainId id, Frames target);
    void look();
    bool take_by_force(Guest& guest);
    void sample(Guest& guest);
    void settle(Guest& guest);
    void account(const Guest& guest) const;
    Guest& of(const Domain& domain) { return guests_.at(domain.id.value()); }

    Machine* machine_;
    MemoryPlan plan_;
    MachineMemory memory_;
    Deadline alarm_;
    RealTime look_at_{};
    std::uint64_t random_;
    std::map<std::uint16_t, Guest> guests_; // by domain
};

} // namespace bulkhead::sim
