// See machine.hpp.
#include "guest/dom0/machine.hpp"

#include "guest/dom0/control.hpp"
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/print.hpp"
#include "image/addresses.hpp"

#include <new>

namespace bulkhead::dom0 {
namespace {

using guest::print;

void explain(const manifest::Guest& guest, const BuildFault& fault) {
    if (fault.needed_bytes != 0)
        print("dom0: guest '{}': {}: it needs at least {} MiB, not {} MiB\n", name_of(guest), fault.message,
              (fault.needed_bytes + (1 << 20) - 1) >> 20, guest.memory_bytes >> 20);
    else if (fault.cause)
        print("dom0: guest '{}': {} ({})\n", name_of(guest), fault.message, *fault.cause);
    else
        print("dom0: guest '{}': {}\n", name_of(guest), fault.message);
}

} // namespace

guest::Status pin(const Slot& slot, std::uint64_t pcpus) {
    for (std::uint32_t i = 0; pcpus != 0 && i < slot.guest->vcpus; ++i)
        if (const auto done = set_affinity(slot.id, VcpuId{static_cast<std::uint16_t>(i)},
                                           static_cast<std::int64_t>(pcpus));
            !done)
            return done;
    return {};
}

void complain(const Slot& slot, std::string_view what, guest::Error error) {
    print("dom0: guest '{}': cannot {}: {}\n", name_of(*slot.guest), what, error);
}

namespace {

Port hear(unsigned virq) {
    const auto port = guest::events::bind_virq(virq);
    if (!port)
        guest::panic("dom0: cannot hear of virtual interrupt {}: {}", virq, port.error());
    guest::events::listen(*port);
    return *port;
}

} // namespace

void Machine::start(const Manifest& manifest) {
    manifest_ = &manifest;
    const auto guests = manifest.guests();
    auto* const first =
        reinterpret_cast<Slot*>(guest::allocate_pages(image::pages_for(guests.size() * sizeof(Slot)) + 1));
    for (std::size_t i = 0; i < guests.size(); ++i)
        new (first + i) Slot{guests[i]};
    slots_ = {first, guests.size()};
    std::size_t vcpus = 0;
    for (const auto& guest : guests)
        vcpus += guest.vcpus;
    store_.start(guests.size(), vcpus, manifest.disks().size() + manifest.interfaces().size());
    assign_disks();
    assign_interfaces();
    exceptions_ = hear(VIRQ_DOM_EXC);
    targets_ = hear(VIRQ_MEM_EVENT);

    timeline_ = Timeline{manifest.timeline()};
    for (auto& slot : slots_)
        if (slot.guest->absent == 0 && !raise(slot))
            end_run(landmark::Exit::bad_input);
    note_started();
    started_ = guest::now();
    if (timeline_.stops_first())
        play_due();
    for (auto& slot : slots_)
        if (slot.state == Slot::State::alive && !slot.held)
            begin(slot);
}

// Those of a guest stand together, in the order of the guests.
void Machine::assign_disks() {
    const auto disks = manifest_->disks();
    auto* const first = reinterpret_cast<DiskEnd*>(
        guest::allocate_pages(image::pages_for(disks.size() * sizeof(DiskEnd)) + 1));
    for (std::uint32_t i = 0; i < disks.size(); ++i) {
        new (first + i) DiskEnd{.disk = &disks[i], .number = i};
        auto& own = slots_[disks[i].guest].disks;
        own = {own.empty() ? first + i : own.data(), own.size() + 1};
    }
}

void Machine::assign_interfaces() {
    const auto interfaces = manifest_->interfaces();
    const auto& header = manifest_->header();
    auto* const first = reinterpret_cast<InterfaceEnd*>(
        guest::allocate_pages(image::pages_for(interfaces.size() * sizeof(InterfaceEnd)) + 1));
    for (std::uint32_t i = 0; i < interfaces.size(); ++i) {
        new (first + i) InterfaceEnd{.interface = &interfaces[i],
                                     .number = i,
                                     .leads_outside = header.uplink_slot != 0 &&
                                                      header.uplink_network == interfaces[i].network};
        auto& own = slots_[interfaces[i].guest].interfaces;
        own = {own.empty() ? first + i : own.data(), own.size() + 1};
    }
}

void Machine::run() {
    for (;;) {
        serve_stores();
        if (exception_ || targets_changed_ || deadline_ <= guest::now())
            do_own_work();
        // Masked, so that an event between the look and the wait ends the wait.
        const guest::events::Masked guard;
        if (!anything_to_do())
            guest::events::wait_any(deadline_);
    }
}

void Machine::do_own_work() {
    bill_to(DomainId{0});
    if (exception_)
        look_after_all();
    if (targets_changed_)
        pass_targets_on();
    play_due();
    serve_deadlines();
    end_if_idle();
    deadline_ = next_deadline();
}

void Machine::bill_to(DomainId payer) {
    if (payer == payer_)
        return;
    payer_ = payer;
    work_for(payer);
}

// False, and said why, if it cannot be built now: other guests may have memory that it needs.
bool Machine::raise(Slot& slot) {
    const auto built = build(*manifest_, *slot.guest);
    if (!built) {
        explain(*slot.guest, built.error());
        return false;
    }
    auto line = store_.open(*built, *slot.guest);
    if (!line) {
        complain(slot, "map its xenstore ring", line.error());
        static_cast<void>(destroy_domain(built->id)); // it never ran: nobody holds its frames
        return false;
    }
    slot.id = built->id;
    slot.target = static_cast<std::int64_t>(slot.guest->memory_bytes);
    place(slot);
    slot.store = *line;
    disks_.describe(slot.id, *slot.guest, slot.disks);
    interfaces_.describe(slot.id, slot.interfaces);
    slot.state = Slot::State::alive;
    slot.restart.reset();
    slot.born = guest::now();
    return true;
}

void Machine::place(const Slot& slot) {
    for (const auto& each : manifest_->placements()) {
        if (manifest_->guests().data() + each.guest != slot.guest)
            continue;
        const VcpuId vcpu{static_cast<std::uint16_t>(each.vcpu)};
        auto done = set_preferred(slot.id, vcpu, static_cast<std::int64_t>(each.preferred));
        if (done && each.affinity != 0)
            done = set_affinity(slot.id, vcpu, static_cast<std::int64_t>(each.affinity));
        if (!done)
            complain(slot, "set its affinity", done.error());
    }
}

void Machine::begin(Slot& slot) {
    if (slot.guest->start > 0 || slot.guest->release != 0)
        slot.starts = started_ + Nanos{slot.guest->start};
    else
        let_run(slot);
}

void Machine::let_run(Slot& slot) {
    slot.starts = GuestTime::never();
    if (const auto done = unpause_domain(slot.id); !done)
        complain(slot, "let it run", done.error());
}

// Its guests that wait for their declared start; all have the same.
void Machine::release(std::uint32_t set) {
    control::Release request{};
    const Slot* last = nullptr;
    for (auto& slot : slots_) {
        if (slot.guest->release != set || slot.starts > guest::now() ||
            request.count == control::most_released)
            continue;
        slot.starts = GuestTime::never();
        request.domains[request.count++] = slot.id.value();
        last = &slot;
    }
    if (const auto done = release_domains(request); !done)
        complain(*last, "let its set run", done.error());
}

void Machine::put_away(Slot& slot, std::optional<Nanos> rest) {
    if (!slot.disks.empty())
        disks_.forget(slot.id);
    if (!slot.interfaces.empty())
        interfaces_.forget(slot.id);
    store_.close(slot.store);
    slot.starts = GuestTime::never();
    slot.restart = rest;
    destroy(slot);
}

// Another guest may hold frames of this one for as long as it likes. They stay behind as a zombie, and the
// guest's next life does not wait for them, unless there are too many.
void Machine::destroy(Slot& slot) {
    const auto done = destroy_domain(slot.id);
    const bool is_held = !done && done.error() == guest::Error::busy;
    if (is_held && !zombies_.has_room())
        return put_off(slot);
    if (is_held)
        zombies_.add(slot.id);
    else if (!done)
        complain(slot, "destroy it", done.error());
    slot.state = slot.restart ? Slot::State::resting : Slot::State::absent;
    slot.due = guest::now() + slot.restart.value_or(Nanos{});
}

void Machine::put_off(Slot& slot) {
    if (slot.state != Slot::State::dying)
        print("dom0: guest '{}' is gone, but others map its frames, as those of {} more: it starts again "
              "when one "
              "of them lets go\n",
              name_of(*slot.guest), Zombies::most);
    slot.state = Slot::State::dying;
    slot.due = guest::now() + destroy_again;
}

void Machine::destroy_the_dying() {
    zombies_.destroy();
    for (auto& slot : slots_)
        if (slot.state == Slot::State::dying)
            destroy(slot);
}

void Machine::serve_deadlines() {
    if (zombies_.due() <= guest::now())
        zombies_.destroy();
    for (auto& slot : slots_) {
        if (slot.is_waiting() && slot.due <= guest::now())
            go_on(slot);
        if (slot.starts <= guest::now())
            slot.guest->release != 0 ? release(slot.guest->release) : let_run(slot);
    }
}

// A waiting guest's time has come.
void Machine::go_on(Slot& slot) {
    if (slot.state == Slot::State::dying)
        return destroy(slot);
    if (raise(slot))
        return let_run(slot);
    slot.due = guest::now() + slot.backoff.next({});
}

void Machine::look_after_all() {
    exception_ = false;
    for (auto& slot : slots_)
        if (slot.state == Slot::State::alive)
            look_after(slot);
}

void Machine::look_after(Slot& slot) {
    const auto info = domain_info(slot.id);
    if (!info)
        complain(slot, "ask about it", info.error());
    else if (info->life == control::Life::shut_down)
        shut_down(slot, info->shutdown_reason);
}

void Machine::shut_down(Slot& slot, std::uint32_t reason) {
    if (is_crash(reason)) {
        crashed_ = true;
        print("dom0: guest '{}' crashed (shutdown reason {})\n", name_of(*slot.guest), reason);
    }
    const auto fate = fate_of(reason, slot.guest->on_crash);
    if (fate == Fate::preserve) {
        slot.state = Slot::State::preserved;
        return;
    }
    const auto lived = guest::now() - slot.born;
    put_away(slot, fate == Fate::restart ? std::optional{slot.backoff.next(lived)} : std::nullopt);
    destroy_the_dying(); // this one may have been what held them
}

void Machine::end_if_idle() {
    if (manifest_->header().end_when_idle == 0 || timeline_.will_create())
        return;
    for (const auto& slot : slots_)
        if (slot.state == Slot::State::alive || slot.state == Slot::State::resting || slot.restart)
            return;
    destroy_the_dying();
    end_run(crashed_ ? landmark::Exit::guest_crashed : landmark::Exit::all_off);
}

// The guest that is served last also pays for the wait and the look that follow, until another is served. So
// each pass begins with the last one of the pass before: then the last one is another each time.
void Machine::serve_stores() {
    const auto first = last_served_;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const auto index = (first + i) % slots_.size();
        auto& slot = slots_[index];
        if (!slot.store.waiting)
            continue;
        bill_to(slot.id);
        store_.serve(slot.store);
        disks_.follow(slot.id, *slot.guest, slot.disks);
        interfaces_.follow(slot.id, *slot.guest, slot.interfaces);
        last_served_ = index;
    }
}

void Machine::pass_targets_on() {
    targets_changed_ = false;
    for (auto& slot : slots_) {
        if (slot.state != Slot::State::alive)
            continue;
        const auto info = domain_info(slot.id);
        const auto target = info ? static_cast<std::int64_t>(info->target * page_bytes) : 0;
        if (target == 0 || target == slot.target)
            continue;
        bill_to(slot.id);
        slot.target = target;
        store_.set_memory_target(slot.id, target);
    }
    bill_to(DomainId{0});
}

bool Machine::anything_to_do() {
    exception_ = guest::events::take(exceptions_) || exception_;
    targets_changed_ = guest::events::take(targets_) || targets_changed_;
    bool found = exception_ || targets_changed_;
    for (auto& slot : slots_)
        found = StoreService::look(slot.store) || found;
    return found;
}

GuestTime Machine::next_deadline() const {
    auto deadline = GuestTime::never();
    if (const auto next = timeline_.next())
        deadline = started_ + *next;
    deadline = std::min(deadline, zombies_.due());
    for (const auto& slot : slots_) {
        deadline = std::min(deadline, slot.starts);
        if (slot.is_waiting())
            deadline = std::min(deadline, slot.due);
    }
    return deadline;
}

} // namespace bulkhead::dom0
