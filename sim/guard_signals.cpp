#include "sim/guard_signals.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <sys/mman.h>
#include <system_error>
#include <ucontext.h>
#include <unistd.h>

namespace bulkhead::sim::guard {

namespace {

// A call that is still in progress at this tick, and in its own text, does not end.
constexpr std::uint16_t patience = 3;
constexpr std::size_t alternate_bytes = 64 << 10;
// Flags that a policy may have left: trap, direction, alignment check.
constexpr greg_t left_flags = 0x100 | 0x400 | 0x40000;

// A signal and its former action, for instance that of Python's faulthandler or of AddressSanitizer.
struct Chained {
    int number;
    struct sigaction former;
    std::atomic<bool> passed_on; // a fault, to the former handler, which came back
};
std::array<Chained, 5> faults{{{SIGSEGV, {}, false},
                               {SIGBUS, {}, false},
                               {SIGILL, {}, false},
                               {SIGFPE, {}, false},
                               {SIGTRAP, {}, false}}};
std::mutex installing;
int ticks = 0; // the signal's number, once chosen

// The stack that the operating system gave to this thread.
struct Bounds {
    std::uint64_t low = 0, high = 0;
    [[nodiscard]] bool contain(std::uint64_t rsp) const { return rsp >= low && rsp <= high; }
};
thread_local Bounds own_stack;

// The call that was interrupted, or nullptr. A policy that has lost its stack pointer is still in its text:
// then it is the call that this thread has made of that text, unless there are several.
Stack* stack_of_call(const gregset_t& registers) {
    const auto rsp = static_cast<std::uint64_t>(registers[REG_RSP]);
    const auto rip = static_cast<std::uint64_t>(registers[REG_RIP]);
    for (Stack* stack = all_stacks(); stack != nullptr; stack = stack->next)
        if (rsp >= stack->zone && rsp <= stack->top)
            return stack->taken.load(std::memory_order_relaxed) ? stack : nullptr;
    Stack* found = nullptr;
    for (Stack* stack = all_stacks(); stack != nullptr; stack = stack->next)
        if (stack->text.contains(rip) && own_stack.contain(stack->rsp)) {
            if (found != nullptr)
                return nullptr;
            found = stack;
        }
    return found;
}

// The interrupted thread goes on after its call, with this fault. The mask is restored with the registers.
void leave_call(gregset_t& registers, Stack& stack, plugin::Fault fault) {
    stack.progress.fault = fault;
    registers[REG_RIP] = static_cast<greg_t>(stack.resume);
    registers[REG_RSP] = static_cast<greg_t>(stack.rsp);
    registers[REG_RBP] = static_cast<greg_t>(stack.rbp);
    registers[REG_EFL] &= ~left_flags;
}

// A fault is the policy's in its text, and where it has jumped to data. In a service that it called the fault
// is the host's. A breakpoint is reported behind its instruction.
bool is_policys(const siginfo_t& info, std::uint64_t rip, const Stack& stack) {
    if (info.si_code <= 0 || stack.text.empty()) // sent by a process, not by the processor
        return false;
    return stack.text.contains(rip) || (info.si_signo == SIGTRAP && stack.text.contains(rip - 1)) ||
           (info.si_signo == SIGSEGV && reinterpret_cast<std::uint64_t>(info.si_addr) == rip);
}

// A fault happens again once the handler returns. A breakpoint, or a signal that was sent, must be sent
// again.
void let_it_end(const siginfo_t& info) {
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    ::sigaction(info.si_signo, &standard, nullptr);
    if (info.si_code <= 0 || info.si_signo == SIGTRAP)
        ::raise(info.si_signo);
}

// Some handlers (faulthandler) report a fault and raise its signal again for the handler before them. A
// signal that comes back here in this way ends the process.
void pass_on(Chained& chained, siginfo_t* info, void* context) {
    const bool sent = info->si_code <= 0;
    const struct sigaction& former = chained.former;
    if (sent && chained.passed_on.load(std::memory_order_relaxed))
        return let_it_end(*info);
    chained.passed_on.store(!sent, std::memory_order_relaxed);
    if ((former.sa_flags & SA_SIGINFO) != 0)
        former.sa_sigaction(info->si_signo, info, context);
    else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN)
        former.sa_handler(info->si_signo);
    else if (former.sa_handler == SIG_DFL || !sent)
        let_it_end(*info);
}

void on_fault(int number, siginfo_t* info, void* context) {
    const int error = errno;
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    Stack* stack = stack_of_call(registers);
    if (stack != nullptr && is_policys(*info, static_cast<std::uint64_t>(registers[REG_RIP]), *stack))
        leave_call(registers, *stack, plugin::Fault::trapped);
    else
        for (Chained& chained : faults)
            if (chained.number == number)
                pass_on(chained, info, context);
    errno = error;
}

void on_tick(int, siginfo_t* info, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    Stack* stack = stack_of_call(registers);
    if (info->si_code != SI_TIMER || stack == nullptr)
        return;
    if (stack->progress.ticks < patience)
        ++stack->progress.ticks;
    if (stack->progress.ticks == patience &&
        stack->text.contains(static_cast<std::uint64_t>(registers[REG_RIP])))
        leave_call(registers, *stack, plugin::Fault::over_budget);
}

struct sigaction action_of(void (*handler)(int, siginfo_t*, void*), int flags) {
    struct sigaction action{};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
    ::sigemptyset(&action.sa_mask);
    if (ticks != 0)
        ::sigaddset(&action.sa_mask, ticks);
    return action;
}

// The highest real-time signal with no handler yet.
int choose_tick_signal() {
    for (int number = SIGRTMAX; number >= SIGRTMIN; --number) {
        struct sigaction now{};
        if (::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
            now.sa_handler == SIG_DFL)
            return number;
    }
    throw std::system_error{EBUSY, std::generic_category(), "no real-time signal is free for the simulator"};
}

// Installs them again where another handler has been put before ours since.
void install_handlers() {
    const std::scoped_lock lock{installing};
    if (ticks == 0) {
        const int number = choose_tick_signal();
        const auto action = action_of(&on_tick, SA_RESTART);
        ::sigaction(number, &action, nullptr);
        ticks = number;
    }
    const auto ours = action_of(&on_fault, 0);
    for (Chained& chained : faults) {
        struct sigaction now{};
        ::sigaction(chained.number, nullptr, &now);
        if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == &on_fault)
            continue;
        chained.former = now;
        ::sigaction(chained.number, &ours, nullptr);
    }
}

// Unknown, if the system does not tell: empty.
Bounds find_own_stack() {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0)
        return {};
    void* low = nullptr;
    std::size_t size = 0;
    ::pthread_attr_getstack(&attributes, &low, &size);
    ::pthread_attr_destroy(&attributes);
    return {reinterpret_cast<std::uint64_t>(low), reinterpret_cast<std::uint64_t>(low) + size};
}

// A stack that handlers run on when the interrupted one is used up. A thread that has one keeps it.
class AlternateStack {
  public:
    AlternateStack() {
        stack_t now{};
        if (::sigaltstack(nullptr, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0)
            return;
        memory_ =
            ::mmap(nullptr, alternate_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const stack_t ours{.ss_sp = memory_, .ss_flags = 0, .ss_size = alternate_bytes};
        if (memory_ == MAP_FAILED || ::sigaltstack(&ours, nullptr) != 0)
            throw std::system_error{errno, std::generic_category(), "no alternate signal stack"};
    }
    ~AlternateStack() {
        if (memory_ == nullptr)
            return;
        stack_t now{};
        ::sigaltstack(nullptr, &now);
        if (now.ss_sp == memory_) {
            now.ss_flags = SS_DISABLE;
            ::sigaltstack(&now, nullptr);
        }
        ::munmap(memory_, alternate_bytes);
    }
    AlternateStack(const AlternateStack&) = delete;
    AlternateStack& operator=(const AlternateStack&) = delete;

  private:
    void* memory_ = nullptr; // none: the thread had one
};

} // namespace

void prepare_thread() {
    static thread_local const AlternateStack alternate;
    if (own_stack.high == 0)
        own_stack = find_own_stack();
    install_handlers();
}

int tick_signal() { return ticks; }

} // namespace bulkhead::sim::guard
