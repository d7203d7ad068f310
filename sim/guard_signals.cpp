#include "sim/guard_signals.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>
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

// What happened to a signal before the guard came. Python's faulthandler and AddressSanitizer are met here.
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

// The interrupted thread goes on after its call, with this fault. The mask is restored with the registers.
void leave_call(gregset_t& registers, State& state, plugin::Fault fault) {
#ifdef BULKHEAD_GUARD_SANITIZED
    state.abandoned_at = static_cast<std::uint64_t>(registers[REG_RSP]);
#endif
    state.progress.fault = fault;
    registers[REG_RIP] = static_cast<greg_t>(state.resume);
    registers[REG_RSP] = static_cast<greg_t>(state.rsp);
    registers[REG_RBP] = static_cast<greg_t>(state.rbp);
    registers[REG_EFL] &= ~left_flags;
}

// In its own text, or wherever it has jumped to; a fault in a service that it called is the host's. A
// breakpoint is reported behind its instruction.
bool is_policys(const siginfo_t& info, std::uint64_t rip, const State& state) {
    if (info.si_code <= 0 || state.text.empty()) // sent by a process, not by the processor
        return false;
    return state.text.contains(rip) || (info.si_signo == SIGTRAP && state.text.contains(rip - 1)) ||
           (info.si_signo == SIGSEGV && reinterpret_cast<std::uint64_t>(info.si_addr) == rip);
}

// A fault happens again once the handler returns; what is not one must be sent again.
void let_it_end(const siginfo_t& info) {
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    ::sigaction(info.si_signo, &standard, nullptr);
    if (info.si_code <= 0 || info.si_signo == SIGTRAP)
        ::raise(info.si_signo);
}

// Some handlers (faulthandler) report a fault and raise its signal again for whoever was before them. If that
// comes back here, it has gone round.
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
    State* state = find_state(static_cast<std::uint64_t>(registers[REG_RSP]));
    if (state != nullptr && is_policys(*info, static_cast<std::uint64_t>(registers[REG_RIP]), *state))
        leave_call(registers, *state, plugin::Fault::trapped);
    else
        for (Chained& chained : faults)
            if (chained.number == number)
                pass_on(chained, info, context);
    errno = error;
}

void on_tick(int, siginfo_t* info, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    State* state = find_state(static_cast<std::uint64_t>(registers[REG_RSP]));
    if (info->si_code != SI_TIMER || state == nullptr)
        return;
    if (state->progress.ticks < patience)
        ++state->progress.ticks;
    if (state->progress.ticks == patience &&
        state->text.contains(static_cast<std::uint64_t>(registers[REG_RIP])))
        leave_call(registers, *state, plugin::Fault::over_budget);
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

// One that nobody uses.
int choose_tick_signal() {
    for (int number = SIGRTMAX; number >= SIGRTMIN; --number) {
        struct sigaction now{};
        if (::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
            now.sa_handler == SIG_DFL)
            return number;
    }
    throw std::system_error{EBUSY, std::generic_category(), "no real-time signal is free for the simulator"};
}

// Again whenever another handler has been put before ours.
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

// A stack that handlers run on when the interrupted one is used up. If the thread has one, it serves.
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
    install_handlers();
}

int tick_signal() { return ticks; }

} // namespace bulkhead::sim::guard
