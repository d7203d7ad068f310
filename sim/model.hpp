// How a model of a workload is declared: one row and one coroutine, registered by being in the table of
// models.cpp or, outside of this repository, as the one model of a file. A model of a small guest has that
// guest's name, options and marks; what it costs the guest to get to its work is in Costs.
#pragma once

#include "guest/runtime/mark.hpp"
#include "sim/guest_devices.hpp"
#include "sim/program.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace bulkhead::sim {

class World;

using ModelOptions = std::map<std::string, std::string, std::less<>>;

// An option of a model that no small guest has; the options of guests are declared in workloads/.
struct ModelOption {
    std::string_view name, unit, initial, help;
};

// What a model may ask of the world; virtual, because a model may come from a file of its own.
class Surroundings {
  public:
    [[nodiscard]] virtual std::size_t vcpus_of(std::size_t guest) const = 0;
    virtual void print(std::size_t guest, std::string_view line) = 0;
    // vCPU 0 of a guest, once it is built; nullptr until then.
    [[nodiscard]] virtual Guest* peer(std::string_view name) = 0;
    [[nodiscard]] virtual GuestDisk& disk(Guest& me, std::uint32_t ring) = 0;
    [[nodiscard]] virtual GuestMemory& memory(Guest& me) = 0;

  protected:
    ~Surroundings() = default;
};

// What a model gets: its options, the world around it, and the clock's unit.
class ModelSetup {
  public:
    ModelSetup(Surroundings& world, std::size_t guest, const ModelOptions& options, Nanos instruction,
               Nanos loop, std::uint64_t seed, DomainId id, std::size_t vcpu = 0)
        : world_{&world}, guest_{guest}, options_{&options}, instruction_{instruction}, loop_{loop},
          seed_{seed}, id_{id}, vcpu_{vcpu} {}

    // Throw std::invalid_argument with one line if the option is missing or not a number.
    [[nodiscard]] std::string_view text(std::string_view name) const;
    [[nodiscard]] std::int64_t number(std::string_view name) const;
    [[nodiscard]] std::int64_t number_or(std::string_view name, std::int64_t other) const;
    [[nodiscard]] Nanos microseconds(std::string_view name) const {
        return bulkhead::microseconds(number(name));
    }
    [[nodiscard]] Nanos nanoseconds(std::string_view name) const { return Nanos{number(name)}; }
    [[nodiscard]] Nanos instructions(std::int64_t count) const { return instruction_ * count; }
    // The unit of work of workloads/work.hpp.
    [[nodiscard]] Nanos operations(std::int64_t count) const { return (instructions(1'000) + loop_) * count; }
    [[nodiscard]] World& world() const; // for the models of this repository only
    [[nodiscard]] Guest* peer(std::string_view name) const { return world_->peer(name); }
    // The guest's disk, which has a ring from here on; by another number a further ring of its own.
    [[nodiscard]] GuestDisk& disk(Guest& me, std::uint32_t ring = 0) const { return world_->disk(me, ring); }
    // Throws std::invalid_argument unless the Model says `pages`.
    [[nodiscard]] GuestMemory& memory(Guest& me) const { return world_->memory(me); }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }
    [[nodiscard]] DomainId id() const { return id_; } // of the guest, which small guests take for a seed
    [[nodiscard]] std::size_t vcpu() const { return vcpu_; } // its number in the guest
    [[nodiscard]] std::size_t vcpus() const { return world_->vcpus_of(guest_); }
    // On the guest's console, in no time.
    void print(std::string_view line) const { world_->print(guest_, line); }
    // When the workload stops, if it began at `began`.
    [[nodiscard]] RealTime ends(RealTime began) const;

  private:
    Surroundings* world_;
    std::size_t guest_;
    const ModelOptions* options_; // the world's, which outlives every program
    Nanos instruction_, loop_;
    std::uint64_t seed_;
    DomainId id_;
    std::size_t vcpu_;
};

struct Model {
    std::string_view name;
    std::string_view help; // empty for a model of a small guest: its help is in the guest image
    std::span<const ModelOption> options;
    Program (*program)(Guest& me, ModelSetup setup);
    // Stands for all vCPUs of a guest and its start, not for the workload of its first vCPU.
    bool whole = false;
    Program (*others)(Guest& me, ModelSetup setup) = nullptr; // of each further vCPU once it is started
    bool pages = false;                                       // asks for its memory page by page
};

// What a file with a model exports as `bulkhead_model`. The sizes tell a file that was built with other
// headers.
struct ModelExport {
    static constexpr std::uint64_t current_version = 5;
    std::uint64_t version = current_version;
    std::uint64_t sizes[4] = {sizeof(Step), sizeof(Guest), sizeof(ModelSetup), sizeof(Model)};
    const Model* model = nullptr;
};

[[nodiscard]] std::span<const Model> models();
[[nodiscard]] const Model* find_model(std::string_view name);
[[nodiscard]] constexpr std::uint64_t code(guest::Mark mark) { return static_cast<std::uint64_t>(mark); }

Program compute(Guest& me, ModelSetup setup);
Program burn(Guest& me, ModelSetup setup);
Program checksum(Guest& me, ModelSetup setup);
Program vector_state(Guest& me, ModelSetup setup);
Program pinger(Guest& me, ModelSetup setup);
Program responder(Guest& me, ModelSetup setup);
Program tick_dodger(Guest& me, ModelSetup setup);
Program yield_storm(Guest& me, ModelSetup setup);
Program timer_storm(Guest& me, ModelSetup setup);
Program tick_flood(Guest& me, ModelSetup setup);
Program timeout_flood(Guest& me, ModelSetup setup);
Program sleep_to_instants(Guest& me, ModelSetup setup);
Program event_storm(Guest& me, ModelSetup setup);
Program loop_fault(Guest& me, ModelSetup setup);
Program garbage(Guest& me, ModelSetup setup);
Program periodic(Guest& me, ModelSetup setup);
Program sporadic(Guest& me, ModelSetup setup);
Program on_off(Guest& me, ModelSetup setup);
Program replay(Guest& me, ModelSetup setup);
Program disk(Guest& me, ModelSetup setup);
Program memory_user(Guest& me, ModelSetup setup);
Program memory_hoarder(Guest& me, ModelSetup setup);
Program set_user(Guest& me, ModelSetup setup);
Program memory_thrasher(Guest& me, ModelSetup setup);
Program memory_forker(Guest& me, ModelSetup setup);
Program cache_user(Guest& me, ModelSetup setup);

} // namespace bulkhead::sim

// Exports the Model `object` of the enclosing namespace, the only one of its file.
#define BULKHEAD_MODEL(object)                                                                               \
    extern "C" [[gnu::visibility("default"), gnu::used]] const bulkhead::sim::ModelExport bulkhead_model{    \
        .model = &object};
