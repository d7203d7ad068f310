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
guard::Stack& map_stack() {
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
    auto& made = *new guard::Stack{};
    made.zone = start;
    made.bottom = start + zone_bytes;
    made.top = made.bottom + Guard::stack_bytes;
    made.next = stacks.load(std::memory_order_relaxed);
    return made;
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

// A stack for one guard alone.
guard::Stack& take_stack() {
    const std::scoped_lock lock{changing_stacks};
    for (auto* stack = stacks.load(std::memory_order_relaxed); stack != nullptr; stack = stack->next)
        if (!stack->taken.exchange(true, std::memory_order_acquire))
            return *stack;
    auto& mapped = map_stack();
    mapped.taken.store(true, std::memory_order_relaxed);
    stacks.store(&mapped, std::memory_order_release);
    return mapped;
}

// The pages that deep recursion has touched go back; the few at the top are soon used again.
void give_stack(guard::Stack& stack) {
    constexpr auto kept = 16 * page_bytes;
    ::madvise(reinterpret_cast<void*>(stack.bottom), Guard::stack_bytes - kept, MADV_DONTNEED);
    stack.rsp = 0;
    stack.text = {};
    stack.taken.store(false, std::memory_order_release);
}

} // namespace

TextRange text_of_object(const void* inside) {
    Search search{
        reinterpret_cast<std::uint64_t>(inside), reinterpret_cast<std::uint64_t>(&text_of_object), {}};
    ::dl_iterate_phdr(&look_into, &search);
    return search.found;
}

namespace guard {

Stack* all_stacks() { return stacks.load(std::memory_order_acquire); }

#ifdef BULKHEAD_GUARD_SANITIZED
// Both annotations at once, on the stack that is left: between them and the switch nothing is thrown.
void enter_stack(Stack& stack) {
    ::__sanitizer_start_switch_fiber(&stack.host_fake_stack, reinterpret_cast<const void*>(stack.bottom),
                                     stack.top - stack.bottom);
    ::__sanitizer_finish_switch_fiber(nullptr, &stack.host_bottom, &stack.host_size);
}

// A call is abandoned in its text, which is not instrumented, or by a function that does not return: there
// the compiler has the red zones of the whole stack lifted. So nothing is left of them here.
void leave_stack(Stack& stack) {
    ::__sanitizer_start_switch_fiber(nullptr, stack.host_bottom, stack.host_size);
    ::__sanitizer_finish_switch_fiber(stack.host_fake_stack, nullptr, nullptr);
}
#endif

} // namespace guard

Guard::Guard() : stack_{take_stack()} {
    try {
        guard::prepare_thread();
    } catch (...) {
        give_stack(stack_);
        throw;
    }
}

Guard::~Guard() { give_stack(stack_); }

void Guard::abandon(plugin::Fault fault) {
    stack_.progress.fault = fault;
    asm volatile("mov 16(%0), %%rax\n\t"
                 "mov 8(%0), %%rbp\n\t"
                 "mov (%0), %%rsp\n\t"
                 "jmp *%%rax"
                 :
                 : "d"(&stack_)
                 : "rax", "memory");
    __builtin_unreachable();
}

// A service may also be asked for from outside a call, by a policy in Python; then nothing is to be
// abandoned.
void Guard::refuse_service(std::uint64_t room) {
    const bool inside = room <= stack_.top - stack_.bottom;
    const auto fault = room < room_for_services ? plugin::Fault::trapped : plugin::Fault::over_budget;
    if (inside && !stack_.text.empty())
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
