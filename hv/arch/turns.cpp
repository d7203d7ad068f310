#include "hv/arch/turns.hpp"

#include "hv/arch/apic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/rest.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {

// A round over all pCPUs is as short as the emulator's cost for each turn allows.
constexpr Nanos usual_round = microseconds(5), least_turn = microseconds(1);

std::uint32_t keeper = 0; // its APIC identifier
bool used = false;
Nanos turn{};
std::atomic<RealTime> a_turn_end{}; // and a multiple of turns later another, while there are turns
std::atomic<bool> wanted{true}, there{false};

// Whoever asked for a pause may not have seen yet that another has begun to work.
bool is_needed() { return wanted || does_anybody_work(); }

void ask(bool turns) {
    wanted = turns;
    send_interrupt(keeper, wake_vector);
}

} // namespace

void start_keeping() { turn = std::max(usual_round / static_cast<std::int64_t>(pcpu_count()), least_turn); }

// Who begins to work asks for turns and then waits until they are there. Once the timer has stopped, the next
// turn may have no end, and the keeper's own may end at any of these steps. So `there` is false before the
// last look at what is asked, and true only when the timer counts.
void keep_turns() {
    bool needed = is_needed();
    if (!needed) {
        there = false;
        needed = is_needed();
    }
    if (needed) {
        a_turn_end = start_silent_timer(turn);
        there = true;
    } else {
        stop_silent_timer();
    }
}

void use_turns(std::uint32_t keeper_apic_id) {
    keeper = keeper_apic_id;
    used = true;
}
bool are_there_turns() { return used; }

RealTime turn_end(RealTime wanted_end, RealTime now) {
    constexpr Nanos soonest{500}; // the timer is set by then
    const RealTime origin = a_turn_end;
    const auto turns =
        (std::max(wanted_end, now + soonest) - origin + turn - Nanos{1}).count() / turn.count();
    return origin + turn * turns;
}
Nanos round_length() { return turn * static_cast<std::int64_t>(pcpu_count()); }

void pause_turns() { ask(false); }
void resume_turns() { ask(true); }

void await_turns() {
    while (!there)
        asm volatile("pause" ::: "memory"); // ends the turn: the keeper has one
}

} // namespace bulkhead::hv
