// Memory of the simulated machine as its guests meet it: they get frames when they use pages, give them back
// when they are asked to, and page when they have too few. The back end never decides how many frames a
// guest has: the memory policy does.
#pragma once

#include "host/press.hpp"
#include "host/sample_clock.hpp"
#include "sim/cache.hpp"
#include "sim/guest_devices.hpp"
#include "sim/guest_pages.hpp"
#include "sim/machine.hpp"
#include "sim/machine_memory.hpp"

#include <functional>
#include <limits>
#include <map>
#include <optional>

namespace bulkhead::sim {

struct MemoryPlan {
    std::optional<Policy> policy; // none: the built-in one
    Frames frames{};              // for guests
    std::uint32_t zones = 1;
    Nanos period = milliseconds(100); // between two looks at all domains
    Nanos swap = microseconds(4'000); // a guest waits so long for a page that is out
    Nanos look{};                     // hypervisor's work for a domain in each period
    std::size_t sampled = 100;        // pages of a guest whose use is looked at in each period
    enum class Force { none, press, take } force = Force::press; // what the policy's wish means for a guest
};

class MemoryBackend {
  public:
    // What the program of a guest that pages sees.
    class Port final : public GuestMemory {
      public:
        Port(MemoryBackend& backend, Domain& domain) : backend_{&backend}, domain_{&domain} {}
        [[nodiscard]] std::size_t pages() const override { return own().size(); }
        [[nodiscard]] bool use(std::size_t page) override;
        [[nodiscard]] std::int64_t excess() const override {
            return backend_->above(*domain_, backend_->of(*domain_).told);
        }
        [[nodiscard]] Fault faulted() const override;
        [[nodiscard]] Costs costs() const override;

        [[nodiscard]] Nanos access(std::size_t page) override { return backend_->access(*domain_, page); }

      private:
        [[nodiscard]] GuestPages& own() const;
        [[nodiscard]] Nanos work_of_fault() const override;
        [[nodiscard]] Nanos work_of_release() const override;

        MemoryBackend* backend_;
        Domain* domain_;
    };

    MemoryBackend(Machine& machine, MemoryPlan plan, std::uint64_t seed);

    // What a domain has of memory, to be let in. One that does not `page` has all its frames in use, takes
    // what its target allows and gives back at once. Another has its `first` frames for itself from the
    // beginning to its end; it pages beside them.
    struct Claim {
        Frames first{}, least{}, most{};
        bool pages = false;
    };
    // Whether the policy lets the domain in.
    bool admit(Domain& domain, const Claim& claim, std::span<const std::int64_t> values);
    void gone(const Domain& domain);
    void set_weight(const Domain& domain);
    [[nodiscard]] host::Change change(const Domain& domain, const plugin::ValueChanges& changes);
    // Guests that do not know their target yet. Domain 0 tells one of them, in no time.
    [[nodiscard]] bool has_news() const;
    void tell_next();
    // There is news.
    std::function<void()> on_news;
    void swap(const Policy& policy); // it takes over all domains, with their frames, weights and targets
    void on_alarm();
    [[nodiscard]] bool owns(const Deadline& deadline) const { return &deadline == &alarm_; }
    [[nodiscard]] const landmark::PolicyReport& report() const { return memory_.report(); }
    [[nodiscard]] const plugin::Descriptor& policy() const { return memory_.policy(); }

    // For the programs of guests that page; nullptr for one that does not.
    [[nodiscard]] Port* port(const Domain& domain);
    // Gives a page a frame.
    void fault(Domain& domain, std::size_t page);
    void release(Domain& domain, std::int64_t frames);
    // Its guest says that it waits so many ns for a page that it had paged out.
    void claim_stall(const Domain& domain, std::uint64_t wait);
    // How long it takes to use a page that has a frame.
    [[nodiscard]] Nanos access(const Domain& domain, std::size_t page);

  private:
    struct Guest {
        Domain* domain;
        std::optional<GuestPages> pages;
        std::optional<Port> port{};                            // if there are pages
        GuestMemory::Fault fault{};                            // the last one
        std::int64_t beside = 0;                               // frames that it does not page
        std::vector<std::uint32_t> watched{};                  // pages whose use is the sample
        std::int64_t watched_beside = 0;                       // frames beside them that are watched
        host::SampleClock clock{};                             // when others are
        std::int64_t to_take = 0;                              // frames that the policy wants taken by force
        Frames told{std::numeric_limits<std::int64_t>::max()}; // its target, as far as it knows
        bool news = false;                                     // the target is another
        host::Press press{};
        bool held = false; // by it
    };
    // Frames of pages beyond so many frames.
    [[nodiscard]] std::int64_t above(const Domain& domain, Frames to) const;
    void retarget(DomainId id, Frames target);
    void look();
    bool take_by_force(Guest& guest);
    bool press_if_due();
    void press(Guest& guest);
    void sample(Guest& guest);
    void draw(Guest& guest);
    void settle(Guest& guest);
    void account(const Guest& guest) const;
    Guest& of(const Domain& domain) { return guests_.at(domain.id.value()); }

    Machine* machine_;
    MemoryPlan plan_;
    MachineMemory memory_;
    Cache cache_;
    Deadline alarm_;
    RealTime look_at_{}, next_turn_{};
    std::uint64_t random_;
    std::map<std::uint16_t, Guest> guests_; // by domain
};

} // namespace bulkhead::sim
