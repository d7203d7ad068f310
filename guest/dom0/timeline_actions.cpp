// Domain 0 carries out the timeline's entries, and at its stops takes what follows from the world outside.
#include "guest/dom0/control.hpp"
#include "guest/dom0/machine.hpp"
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/print.hpp"

namespace bulkhead::dom0 {
namespace {

using guest::print;
using manifest::Action;

// Prints the resources of domain 0 itself, for comparison: guests that came and went must not change them.
// A new port is the lowest free one.
void say_holdings(const StoreService& store) {
    const auto port = guest::events::allocate_unbound(DomainId{0});
    if (port)
        static_cast<void>(guest::events::close(*port));
    const auto usage = store.usage();
    print("dom0: free pages {}, store nodes {}, store blocks {}, next port {}\n", guest::free_page_count(),
          usage.nodes, usage.blocks, port ? port->value() : 0);
}

guest::Status check_machine(const StoreService& store) {
    say_holdings(store);
    const auto violations = audit();
    if (!violations || *violations != 0)
        print("dom0: the audit found {} violations\n", violations.value_or(-1));
    if (!violations)
        return std::unexpected{violations.error()};
    return {};
}

guest::Status swap(std::int64_t index, const std::int64_t* parameters) {
    const auto done = swap_policy(index, parameters);
    if (!done)
        print("dom0: policy {} cannot take over: {}\n", index, done.error());
    return done;
}

} // namespace

void Machine::play_due() {
    while (const auto entry = timeline_.take_due(guest::now() - started_))
        play(*entry);
}

void Machine::play(const manifest::TimelineEntry& entry) {
    note_timeline(entry.action, entry.target);
    if (entry.action == Action::stop)
        return stand_still();
    const auto index = timeline_.taken() - 1;
    desk_.note(index, guest::now() - started_, carry_out(entry, index));
}

void Machine::stand_still() {
    const auto orders = desk_.stand_still(guest::now() - started_);
    if (!orders)
        guest::panic("dom0: cannot take orders: {}", orders.error());
    if (const auto fine = check_timeline(*orders, slots_.size()); !fine) {
        print("dom0: the orders are damaged: {} (entry {})\n", message(fine.error().error),
              fine.error().index);
        end_run(landmark::Exit::bad_input);
    }
    timeline_ = Timeline{*orders};
}

guest::Status Machine::carry_out(const manifest::TimelineEntry& entry, std::size_t index) {
    if (entry.action == Action::end_run)
        end_run(crashed_ ? landmark::Exit::guest_crashed : landmark::Exit::all_off);
    if (entry.action == Action::swap)
        return swap(entry.argument, desk_.parameters(index));
    if (entry.action == Action::audit)
        return check_machine(store_);
    return act(entry, slots_[entry.target]);
}

guest::Status Machine::create(Slot& slot) {
    if (slot.state != Slot::State::absent) {
        complain(slot, "create it", guest::Error::exists);
        return std::unexpected{guest::Error::exists};
    }
    if (!raise(slot))
        return std::unexpected{guest::Error::no_memory};
    if (slot.guest->start_paused == 0)
        let_run(slot);
    return {};
}

guest::Status Machine::act(const manifest::TimelineEntry& entry, Slot& slot) {
    if (entry.action == Action::create)
        return create(slot);
    if (entry.action == Action::destroy && slot.is_waiting()) {
        slot.restart.reset();
        slot.state = slot.state == Slot::State::resting ? Slot::State::absent : slot.state;
        return {};
    }
    if (slot.state != Slot::State::alive && slot.state != Slot::State::preserved)
        return std::unexpected{
            guest::Error::no_such_domain}; // ended before its time: no fault of the timeline
    const auto done = change(entry, slot);
    if (!done)
        complain(slot, "follow the timeline", done.error());
    return done;
}

guest::Status Machine::change(const manifest::TimelineEntry& entry, Slot& slot) {
    switch (entry.action) {
    case Action::unpause:
        slot.held = false;
        slot.starts = GuestTime::never();
        return unpause_domain(slot.id);
    case Action::pause:
        slot.held = true;
        slot.starts = GuestTime::never();
        return pause_domain(slot.id);
    case Action::set_weight:
        return set_weight(slot.id, entry.argument);
    case Action::set_parameters:
        return set_parameters(slot.id, entry.changes);
    case Action::set_affinity:
        return pin(slot, static_cast<std::uint64_t>(entry.argument));
    case Action::shutdown:
        store_.ask(slot.id, "poweroff");
        return {};
    case Action::reboot:
        store_.ask(slot.id, "reboot");
        return {};
    case Action::set_memory:
        slot.target = entry.argument;
        store_.set_memory_target(slot.id, slot.target);
        return {};
    default:
        put_away(slot);
        return {};
    }
}

} // namespace bulkhead::dom0
