// A whole machine as Python describes it: guests by name, a timeline, and domain 0 that builds the ones and
// plays the other, itself scheduled like every domain. The world must behave as the hypervisor does with the
// same description.
#pragma once

#include "sim/block_backend.hpp"
#include "sim/machine.hpp"
#include "sim/memory_backend.hpp"
#include "sim/model.hpp"
#include "sim/model_file.hpp"

#include <optional>
#include <span>
#include <string>

namespace bulkhead::sim {

// What pinger and responder share.
struct Link {
    static constexpr std::uint64_t slots = 64;
    bool offered = false, ready = false, closed = false;
    std::uint64_t requested = 0, replied = 0;
};

struct GuestPlan {
    std::string name;
    std::string model;
    ModelOptions options;
    std::uint32_t weight = sched::default_weight;
    std::uint32_t cap = 0;
    std::uint32_t vcpus = 1;
    bool start_paused = false;
    std::vector<std::int64_t> sched_values{};
    bool absent = false; // not built before the timeline creates it
    Frames memory{1};    // its size
    Frames first{};      // of it, that it has from its creation on and does not page
    std::vector<std::int64_t> memory_values{};
    std::vector<std::int64_t> ring_values{};
    Nanos start{}; // from the end of building until it runs first; 0: at once
    Placements placements{};
    std::uint32_t release = 0;               // the set of guests that start at one instant; 0: of none
    std::uint32_t group = 0;                 // of guests that the ring policy takes for one; 0: of none
    std::shared_ptr<const ModelFile> file{}; // that has the model; nullptr: the simulator's own of that name
};

// A guest's disk: where it is on the drive.
struct DiskPart {
    std::uint32_t guest; // its number
    std::uint64_t first, sectors;
};

// What came of an entry of the timeline.
struct Answer {
    std::int64_t done_at; // since the run's start
    std::int64_t result;  // 0, or a negated errno of <xen/errno.h>
};

// A policy that takes over, and what the hypervisor's work costs from then on.
struct Successor {
    Policy policy;
    Costs costs{}; // in nanoseconds; a scheduler's
};

struct Plan {
    Options machine;
    Nanos instruction{4};
    Nanos duration{};
    std::int64_t mib = 0; // of the machine, its start takes longer for
    std::uint32_t dom0_weight = sched::default_weight;
    std::uint32_t dom0_share = 0; // as in manifest::Header
    std::uint64_t dom0_affinity = ~std::uint64_t{0};
    std::vector<std::int64_t> dom0_sched_values;
    bool end_when_idle = true;
    std::vector<GuestPlan> guests;
    std::vector<DiskPart>
        disks{}; // of all guests, one after another on the drive; a guest without one has the whole drive
    std::vector<manifest::TimelineEntry> timeline; // sorted by time
    std::vector<Successor> successors;             // whom the timeline swaps in: its argument is the index
    BlockPlan blocks{};                            // the device is there once a guest uses it
    MemoryPlan memory{};                           // managed if there is a policy, or a guest that pages
};

class World final : public Surroundings {
  public:
    // Throws std::invalid_argument if a model is unknown.
    World(Policy policy, Plan plan);
    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] RealTime started_at() const { return started_; } // all guests are built since then
    // Part of the run that is over, 0 to 1.
    [[nodiscard]] double progress() const;

    // Carries so many events out, but none beyond a stop of the timeline. True if there is more to do.
    bool run(std::uint64_t events);
    // Whether the machine stands still at a stop; when it did last, and what came of the entries before.
    [[nodiscard]] bool stopped() const { return stopped_; }
    [[nodiscard]] Nanos stopped_at() const { return stopped_at_; }
    [[nodiscard]] const std::vector<Answer>& answers() const { return answers_; }
    // Goes on from a stop with these entries; a swap's argument counts from the first of `successors`.
    void proceed(std::span<const manifest::TimelineEntry> entries, std::vector<Successor> successors);

    [[nodiscard]] Guest* peer(std::string_view name) override;
    Link& link(const Guest& sender, const Guest& receiver);
    [[nodiscard]] const GuestPlan& plan(std::size_t guest) const { return plan_.guests[guest]; }
    [[nodiscard]] std::size_t vcpus_of(std::size_t guest) const override { return plan(guest).vcpus; }
    void print(std::size_t guest, std::string_view line) override;

    // What each guest has printed.
    [[nodiscard]] const std::vector<std::string>& consoles() const { return consoles_; }
    [[nodiscard]] GuestDisk& disk(Guest& me, std::uint32_t ring) override;
    [[nodiscard]] GuestMemory& memory(Guest& me) override;

    // The machine's summary, with what became of all policies.
    [[nodiscard]] Machine::Summary summary() const;

  private:
    // What domain 0 asks for beside the timeline's actions.
    static constexpr auto started = static_cast<manifest::Action>(0);
    static constexpr auto release = static_cast<manifest::Action>(0xffff); // the target's set starts

    static Domain& domain_of(Guest& me) { return *static_cast<Vcpu&>(me).domain; }
    BlockBackend& block_device();
    Program domain0(Guest& me);
    void control(manifest::Action action, std::size_t target, std::int64_t argument);
    // 0, or a negated errno.
    [[nodiscard]] std::int64_t act(manifest::Action action, std::size_t target, std::int64_t argument);
    [[nodiscard]] std::int64_t change(Domain& domain, manifest::Action action, std::size_t target,
                                      std::int64_t argument);
    [[nodiscard]] std::int64_t swap(const Successor& successor);
    [[nodiscard]] std::int64_t set_parameters(Domain& domain, const plugin::ValueChanges& changes);
    [[nodiscard]] std::int64_t build(std::size_t index);
    void end_if_idle();
    [[nodiscard]] bool will_create() const;
    // What domain 0 does next: the timeline goes before a start of the same instant, as in guest/dom0.
    [[nodiscard]] RealTime next_due() const;
    [[nodiscard]] bool timeline_due(RealTime now) const;
    [[nodiscard]] std::size_t first_to_start() const;
    [[nodiscard]] bool waits_for_start(std::size_t guest) const;
    void attend();
    void serve(Domain& domain, std::uint64_t which, std::uint64_t argument);
    [[nodiscard]] bool admit(std::size_t index);
    void note_refused(std::size_t index);
    void check_memory() const;
    [[nodiscard]] static const Model* model_of(const GuestPlan& guest); // nullptr: there is none
    void leave(const Domain& domain);
    [[nodiscard]] std::int64_t further_guests() const;
    [[nodiscard]] Nanos powering_on() const;
    [[nodiscard]] Nanos booting() const;
    [[nodiscard]] Nanos building() const; // of the guest that was created last

    Plan plan_;
    Machine machine_;
    std::vector<Domain*> built_;   // of each guest; nullptr while it does not exist
    std::vector<RealTime> starts_; // of each guest that waits for its declared start, else never
    std::vector<std::string> consoles_;
    std::map<std::pair<const Guest*, const Guest*>, Link> links_;
    std::optional<BlockBackend> blocks_;
    std::optional<MemoryBackend> memory_;
    Guest* domain0_ = nullptr;
    RealTime started_{};
    std::size_t played_ = 0; // timeline entries
    bool steered_ = false;   // there are stops
    bool stopped_ = false;
    Nanos stopped_at_{};
    std::vector<Answer> answers_;
    std::int64_t result_ = 0; // of the last action
    std::uint16_t next_id_ = 1;
    bool crashed_ = false;
    std::string refused_;           // what the memory policy refused first, in words
    bool refused_at_start_ = false; // one of those that were to be there
};

} // namespace bulkhead::sim
