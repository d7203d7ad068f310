// All guests of this run and what happens to them: built at the start, changed by the timeline, and put away
// or started again when they shut down.
#pragma once

#include "guest/dom0/life.hpp"
#include "guest/dom0/store_service.hpp"
#include "guest/dom0/timeline.hpp"

namespace bulkhead::dom0 {

struct Slot {
    enum class State : std::uint8_t {
        absent,
        alive,
        preserved,
        dying,   // cannot be destroyed while another guest still holds its frames
        resting, // waits for its restart
    };

    const manifest::Guest* guest = nullptr;
    State state = State::absent;
    DomainId id;
    StoreLine store;
    Backoff backoff;
    GuestTime born;
    GuestTime due;                // dying: the next attempt; resting: the restart
    std::optional<Nanos> restart; // dying: how long to rest afterwards, if it is to start again
};

class Machine {
  public:
    // Builds every guest that the timeline does not create later, lets them run, and starts the run's clock.
    // Ends the run with a message if one of them cannot be built.
    void start(const Manifest& manifest);
    // Serves xenstore, the timeline and the guests' ends for ever.
    [[noreturn]] void run();

  private:
    void raise(Slot& slot);
    void let_run(const Slot& slot);
    // Takes the guest off the machine, and has it restarted after `rest` if that is given.
    void put_away(Slot& slot, std::optional<Nanos> rest = {});
    void destroy(Slot& slot);
    void look_after_all();
    void look_after(Slot& slot);
    void shut_down(Slot& slot, std::uint32_t reason);
    void play(const manifest::TimelineEntry& entry);
    void act(const manifest::TimelineEntry& entry, Slot& slot);
    void go_on(Slot& slot);
    void destroy_the_dying();
    void end_if_idle();
    void serve_stores();
    [[nodiscard]] bool anything_to_do();
    [[nodiscard]] GuestTime next_deadline() const;

    const Manifest* manifest_ = nullptr;
    std::span<Slot> slots_;
    StoreService store_;
    Timeline timeline_;
    GuestTime started_;
    Port exceptions_;
    bool exception_ = false;
    bool crashed_ = false;
};

} // namespace bulkhead::dom0
