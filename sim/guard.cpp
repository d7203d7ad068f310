#include "sim/guard.hpp"

#include "sim/guard_signals.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <link.h>
#include <mutex>
#include <span>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

#ifdef BULKHEAD_GUARD_SANITIZED
#include <algorithm>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace bulkhead::sim {

namespace {

// Wide enough that no frame steps over it unnoticed; it takes addresses, no memory.
constexpr std::uint64_t zone_bytes = 64 << 20;
constexpr std::uint64_t page_bytes = 4096;
constexpr long tick_nanos = 50'000'000;

std::atomic<guard::Stack*> stacks{nullptr};
std::mutex changing_stacks;

[[noreturn]] void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

// zone | stack | a page that stops what runs over the top.
guard::Stack& map_stack(guard::State& owner) {
    constexpr auto whole = zone_bytes + Guard::stack_bytes + page_bytes;
    void* memory =
        ::mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        fail("no address space for a policy's stack: mmap");
    auto* bottom = static_cast<std::byte*>(memory) + zone_bytes;
    if (::mprotect(bottom, Guard::stack_bytes, PROT_READ | PROT_WRITE) != 0) {
        const int error = std::exchange(errno, 0);
        ::munmap(memory, whole);
        errno = error;
        fail("no memory for a policy's stack: mprotect");
    }
    ::madvise(bottom, Guard::stack_bytes, MADV_NOHUGEPAGE); // few policies use more than a page of it
    const auto start = reinterpret_cast<std::uint64_t>(memory);
    return *new guard::Stack{start, start + zone_bytes, start + zone_bytes + Guard::stack_bytes, &owner,
                             stacks.load(std::memory_order_relaxed)};
}

// One object that the dynamic linker knows; ends the search at the one that holds `inside`.
struct Search {
    std::uint64_t inside;
    std::uint64_t simulator; // an address in its own object
    TextRange found;
};

int look_into(dl_phdr_info* object, std::size_t, void* data) {
    auto& search = *static_cast<Search*>(data);
    bool holds = false, simulator = false;
    TextRange text;
    for (const auto& segment : std::span{object->dlpi_phdr, object->dlpi_phnum}) {
        if (segment.p_type != PT_LOAD)
            continue;
        const TextRange range{object->dlpi_addr + segment.p_vaddr,
                              object->dlpi_addr + segment.p_vaddr + segment.p_memsz};
        holds = holds || range.contains(search.inside);
        simulator = simulator || range.contains(search.simulator);
        if ((segment.p_flags & PF_X) != 0) // of its last page all can be executed
            text = {text.empty() ? range.start : std::min(text.start, range.start),
                    std::max(text.end, (range.end + page_bytes - 1) / page_bytes * page_bytes)};
    }
    if (holds && !simulator)
        search.found = text;
    return holds ? 1 : 0;
}

} // namespace

TextRange text_of_object(const void* inside) {
    Search search{
        reinterpret_cast<std::uint64_t>(inside), reinterpret_cast<std::uint64_t>(&text_of_object), {}};
    ::dl_iterate_phdr(&look_into, &search);
    return search.found;
}

namespace guard {

Stack& take_stack(State& owner) {
    const std::scoped_lock lock{changing_stacks};
    for (Stack* stack = stacks.load(std::memory_order_relaxed); stack != nullptr; stack = stack->next)
        if (stack->owner.load(std::memory_order_relaxed) == nullptr) {
            stack->owner.store(&owner, std::memory_order_release);
            return *stack;
        }
    Stack& mapped = map_stack(owner);
    stacks.store(&mapped, std::memory_order_release);
    return mapped;
}

// The pages that deep recursion has touched go back; the few at the top are soon used again.
void give_stack(Stack& stack) {
    constexpr auto kept = 16 * page_bytes;
    ::madvise(reinterpret_cast<void*>(stack.bottom), Guard::stack_bytes - kept, MADV_DONTNEED);
    stack.owner.store(nullptr, std::memory_order_release);
}

State* find_state(std::uint64_t rsp) {
    for (Stack* stack = stacks.load(std::memory_order_acquire); stack != nullptr; stack = stack->next)
        if (rsp >= stack->zone && rsp <= stack->top)
            return stack->owner.load(std::memory_order_acquire);
    return nullptr;
}

#ifdef BULKHEAD_GUARD_SANITIZED
// Both annotations at once, on the stack that is left: between them and the switch nothing is thrown.
void enter_stack(State& state) {
    ::__sanitizer_start_switch_fiber(&state.host_fake_stack, reinterpret_cast<const void*>(state.bottom),
                                     state.top - state.bottom);
    ::__sanitizer_finish_switch_fiber(nullptr, &state.host_bottom, &state.host_size);
}

// Frames that were abandoned have left their red zones behind.
void leave_stack(State& state) {
    ::__sanitizer_start_switch_fiber(nullptr, state.host_bottom, state.host_size);
    ::__sanitizer_finish_switch_fiber(state.host_fake_stack, nullptr, nullptr);
    if (const auto lowest = std::exchange(state.abandoned_at, 0); lowest != 0) {
        const auto from = std::max(lowest, state.bottom);
        ::__asan_unpoison_memory_region(reinterpret_cast<const void*>(from), state.top - from);
    }
}
#endif

} // namespace guard

Guard::Guard() : stack_{guard::take_stack(state_)} {
    state_.bottom = stack_.bottom;
    state_.top = stack_.top;
    try {
        guard::prepare_thread();
    } catch (...) {
        guard::give_stack(stack_);
        throw;
    }
}

Guard::~Guard() { guard::give_stack(stack_); }

void Guard::abandon(plugin::Fault fault) {
    state_.progress.fault = fault;
#ifdef BULKHEAD_GUARD_SANITIZED
    state_.abandoned_at = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)) - page_bytes;
#endif
    asm volatile("mov 16(%0), %%rax\n\t"
                 "mov 8(%0), %%rbp\n\t"
                 "mov (%0), %%rsp\n\t"
                 "jmp *%%rax"
                 :
                 : "d"(&state_)
                 : "rax", "memory");
    __builtin_unreachable();
}

// A service may also be asked for from outside a call, by a policy in Python; then nothing is to be
// abandoned.
void Guard::refuse_service(std::uint64_t room) {
    const bool inside = room <= state_.top - state_.bottom;
    const auto fault =
        state_.progress.services > most_services ? plugin::Fault::over_budget : plugin::Fault::trapped;
    if (inside && !state_.text.empty())
        abandon(fault);
    if (fault == plugin::Fault::over_budget)
        complain(fault);
}

namespace {

thread_local int scopes = 0; // of this thread that live
thread_local timer_t ticker{};

} // namespace

Guard::Scope::Scope() {
    guard::prepare_thread();
    if (scopes++ != 0)
        return;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = guard::tick_signal();
    event._sigev_un._tid = ::gettid();
    constexpr itimerspec often{{0, tick_nanos}, {0, tick_nanos}};
    if (::timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &ticker) != 0) {
        scopes = 0;
        fail("no timer to notice endless loops of policies: timer_create");
    }
    ::timer_settime(ticker, 0, &often, nullptr); // cannot fail: the timer and the times are right
}

Guard::Scope::~Scope() {
    if (--scopes == 0)
        ::timer_delete(ticker);
}

} // namespace bulkhead::sim
