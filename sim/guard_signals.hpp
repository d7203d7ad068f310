// The signals behind sim/guard.hpp: which stack is whose, and how a thread leaves a call that it was
// interrupted in. Handlers take no lock, allocate nothing, and pass on whatever is not a policy's.
#pragma once

#include "sim/guard.hpp"

#include <atomic>

namespace bulkhead::sim::guard {

// A guard's stack, with an inaccessible zone below it. It is never unmapped, only handed to another guard, so
// that handlers can walk the list at any time.
struct Stack {
    std::uint64_t zone, bottom, top;
    std::atomic<State*> owner;
    Stack* next;
};

// A stack for `owner`, alone. Throws std::system_error.
[[nodiscard]] Stack& take_stack(State& owner);
void give_stack(Stack& stack);
// The guard on whose stack this pointer is, or nullptr. Called by handlers.
[[nodiscard]] State* find_state(std::uint64_t rsp);

// Makes faults and ticks of this thread reach the handlers. Throws std::system_error.
void prepare_thread();
[[nodiscard]] int tick_signal(); // after prepare_thread

} // namespace bulkhead::sim::guard
