// All guests of this run and what happens to them: built at the start, changed by the timeline, and put away
// or started again when they shut down.
#pragma once

#include "guest/dom0/desk.hpp"
#include "guest/dom0/disks.hpp"
#include "guest/dom0/interfaces.hpp"
#include "guest/dom0/life.hpp"
#include "guest/dom0/store_service.hpp"
#include "guest/dom0/timeline.hpp"
#include "guest/dom0/zombies.hpp"

namespace bulkhead::dom0 {

struct Slot {
    enum class State : std::uint8_t {
        absent,
        alive,
        preserved,
        dying,   // its frames are held by another guest, and there are too many zombies
        resting, // waits for its restart
    };

    explicit Slot(const manifest::Guest& of) : guest{&of}, held{of.start_paused != 0} {}

    const manifest::Guest* guest;
    bool held; // does not run when all guests are let run
    State state = State::absent;
    DomainId id;
    StoreLine store;
    std::span<DiskEnd> disks;
    std::span<InterfaceEnd> interfaces;
    std::int64_t target = 0; // of its memory, as it was told [bytes]
    Backoff backoff;
    GuestTime born;
    GuestTime starts = GuestTime::never(); // built and waiting for its declared start
    GuestTime due;                         // dying: the next attempt; resting: the restart
    std::optional<Nanos> restart;          // dying: how long to rest afterwards, if it is to start again

    [[nodiscard]] bool is_waiting() const { return state == State::dying || state == State::resting; }
};

// Restricts all vCPUs of a built guest to the pCPUs of a mask; 0 changes nothing.
guest::Status pin(const Slot& slot, std::uint64_t pcpus);

// Says on the console what could not be done with a guest.
void complain(const Slot& slot, std::string_view what, guest::Error error);

class Machine {
  public:
    // Builds every guest that is not said to be absent at first, lets them run, and starts the run's clock.
    // Ends the run with a message if one of them cannot be built.
    void start(const Manifest& manifest);
    // Serves xenstore, the timeline and the guests' ends for ever.
    [[noreturn]] void run();

  private:
    void assign_disks();
    void assign_interfaces();
    [[nodiscard]] bool raise(Slot& slot);
    void let_run(Slot& slot);
    void release(std::uint32_t set);
    void place(const Slot& slot);
    // Lets it run at once, or at the start that was declared for it.
    void begin(Slot& slot);
    // Takes the guest off the machine, and has it restarted after `rest` if that is given.
    void put_away(Slot& slot, std::optional<Nanos> rest = {});
    void destroy(Slot& slot);
    void put_off(Slot& slot);
    void look_after_all();
    void look_after(Slot& slot);
    void shut_down(Slot& slot, std::uint32_t reason);
    // Every guest hears of the target that the memory policy gave it.
    void pass_targets_on();
    // The timeline's entries, in timeline_actions.cpp.
    void play_due();
    void play(const manifest::TimelineEntry& entry);
    void stand_still();
    guest::Status carry_out(const manifest::TimelineEntry& entry, std::size_t index);
    guest::Status act(const manifest::TimelineEntry& entry, Slot& slot);
    guest::Status change(const manifest::TimelineEntry& entry, Slot& slot);
    guest::Status create(Slot& slot);
    void go_on(Slot& slot);
    void serve_deadlines();
    // Makes another attempt at all that other guests kept from going.
    void destroy_the_dying();
    void end_if_idle();
    void serve_stores();
    // All that domain 0 does of its own accord, and for its own account.
    void do_own_work();
    // Names the domain that pays for domain 0's time from now on.
    void bill_to(DomainId payer);
    [[nodiscard]] bool anything_to_do();
    [[nodiscard]] GuestTime next_deadline() const;

    const Manifest* manifest_ = nullptr;
    std::span<Slot> slots_;
    StoreService store_;
    Disks disks_{store_};
    Interfaces interfaces_{store_};
    Timeline timeline_;
    Desk desk_;
    Zombies zombies_;
    GuestTime started_;
    GuestTime deadline_; // of the next own work
    std::size_t last_served_ = 0;
    DomainId payer_{0};
    Port exceptions_, targets_;
    bool exception_ = false, targets_changed_ = false;
    bool crashed_ = false;
};

} // namespace bulkhead::dom0
