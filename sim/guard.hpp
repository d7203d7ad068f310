// Calls a policy so that nothing it does ends the process: a fault in its text, a stack used up, or a
// loop without end brings the thread back here. Each guard has a stack of its own, and a signal that
// interrupts it finds the guard from the stack pointer. A fault in any other code is never swallowed.
#pragma once

#include "abi/plugin.hpp"
#include "plugin/registers.hpp"

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define BULKHEAD_GUARD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BULKHEAD_GUARD_SANITIZED 1
#endif
#endif

namespace bulkhead::sim {

// Code of a policy. Empty: the policy is part of this program (built in, or written in Python), and a call of
// it is never abandoned.
struct TextRange {
    std::uint64_t start = 0, end = 0;
    [[nodiscard]] bool empty() const { return start == end; }
    [[nodiscard]] bool contains(std::uint64_t address) const { return address >= start && address < end; }
};

// The executable segments of the shared object that holds `inside`, for instance a policy's descriptor. Empty
// if no shared object does, or if it is the one that the simulator itself is in.
[[nodiscard]] TextRange text_of_object(const void* inside);

namespace guard {

// A stack, and the state of the call on it, for signal handlers. It is never unmapped nor freed, only handed
// to another guard, so that handlers can walk the list of all stacks at any time.
struct alignas(64) Stack {
    // Where the interrupted host is: written by each call, in the order that its assembly knows.
    std::uint64_t rsp, rbp, resume;
    std::uint64_t top; // multiple of 16
    // Of one call; zeroed by one store at its start.
    struct Progress {
        plugin::Fault fault;
        std::uint16_t services; // that the policy asked for
        std::uint16_t ticks;    // of the timer, while the call was in progress
    } progress;
    TextRange text; // whose faults are contained
    std::uint64_t bottom;
    std::uint64_t zone; // no access from here to the bottom
    std::atomic<bool> taken;
    Stack* next;
#ifdef BULKHEAD_GUARD_SANITIZED
    void* host_fake_stack;
    const void* host_bottom;
    std::size_t host_size;
#endif
};
static_assert(__builtin_offsetof(Stack, rsp) == 0 && __builtin_offsetof(Stack, rbp) == 8 &&
              __builtin_offsetof(Stack, resume) == 16 && __builtin_offsetof(Stack, top) == 24 &&
              sizeof(Stack::Progress) == 8);

#ifdef BULKHEAD_GUARD_SANITIZED
// Tell AddressSanitizer which stack the thread is on, for exceptions and reports.
void enter_stack(Stack& stack);
void leave_stack(Stack& stack);
#else
inline void enter_stack(Stack&) {}
inline void leave_stack(Stack&) {}
#endif

#ifdef __AVX512F__
#define BULKHEAD_WIDE_REGISTERS                                                                              \
    "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",       \
        "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#else
#define BULKHEAD_WIDE_REGISTERS
#endif

// Calls function(a, b, c, d, e) on the guard's stack. The compiler takes every register for lost but rsp and
// rbp, so that these two are the whole way back: a handler resumes at `resume` with both. Operands are
// registers, because rsp means another stack in between; nothing is pushed on the host's, whose red zone
// stays whole.
[[gnu::always_inline]] inline plugin::Returned call_on_stack(Stack& stack, std::uint64_t a, std::uint64_t b,
                                                             std::uint64_t c, std::uint64_t d,
                                                             std::uint64_t e, const void* function) {
    register std::uint64_t fifth asm("r8") = e;
    register Stack* guard asm("r9") = &stack;
    std::uint64_t rax, rdx;
    asm volatile("lea 1f(%%rip), %%rbx\n\t"
                 "mov %%rsp, (%[guard])\n\t"
                 "mov %%rbp, 8(%[guard])\n\t"
                 "mov %%rbx, 16(%[guard])\n\t"
                 "mov %%rsp, %%rbx\n\t"
                 "mov 24(%[guard]), %%rsp\n\t"
                 "call *%%rax\n\t"
                 "mov %%rbx, %%rsp\n"
                 "1:"
                 : "=a"(rax), "=d"(rdx), "+D"(a), "+S"(b), "+c"(d), "+r"(fifth), [guard] "+r"(guard)
                 : "0"(function), "1"(c)
                 : "rbx", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "st", "st(1)", "st(2)",
                   "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", BULKHEAD_WIDE_REGISTERS "xmm0", "xmm1",
                   "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                   "xmm13", "xmm14", "xmm15");
    return {rax, rdx};
}
#undef BULKHEAD_WIDE_REGISTERS

template<class... Formal, class... Actual, std::size_t... Unused>
[[gnu::always_inline]] inline plugin::Returned call(Stack& stack, void (*function)(),
                                                    std::index_sequence<Unused...>, Actual&... actual) {
    return call_on_stack(stack, plugin::in_register<Formal>(actual)...,
                         (static_cast<void>(Unused), std::uint64_t{0})...,
                         reinterpret_cast<const void*>(function));
}

} // namespace guard

class Guard {
  public:
    struct NoAnswer {};
    // The result of a call. The answer means nothing beside a fault.
    template<class Return>
    struct Outcome {
        using Answer = std::conditional_t<std::is_void_v<Return>, NoAnswer, Return>;
        plugin::Fault fault;
        [[no_unique_address]] Answer answer;
    };

    // What a call may ask of services, in the work of a simple one, before it is taken to run over its
    // budget. In ring 0 a simple service takes some 100 ns, a thousandth of a hook's usual budget.
    static constexpr Nanos simple_service{100};
    static constexpr std::uint16_t most_services = 1'000;
    // Size of the guard's stack, and of the part of it that every service finds free.
    static constexpr std::uint64_t stack_bytes = 8 << 20, room_for_services = 256 << 10;

    // Throws std::system_error if no stack can be mapped or no handler installed. The thread that makes a
    // guard, or has a Scope, gets an alternate signal stack; without one a policy that uses its stack up ends
    // the process.
    Guard();
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    // The code that the next calls run; it must stay mapped during them.
    void watch(TextRange text) { stack_.text = text; }

    // Calls function(actual...). Must not be called from inside a call of the same guard; no exception may
    // leave the function.
    template<class Return, class... Formal, class... Actual>
    [[nodiscard, gnu::always_inline]] inline Outcome<Return> call(Return (*function)(Formal...),
                                                                  Actual&&... actual) {
        static_assert(sizeof...(Formal) <= 5 && sizeof...(Formal) == sizeof...(Actual));
        stack_.progress = {};
        guard::enter_stack(stack_);
        [[maybe_unused]] const auto returned =
            guard::call<Formal...>(stack_, reinterpret_cast<void (*)()>(function),
                                   std::make_index_sequence<5 - sizeof...(Formal)>{}, actual...);
        guard::leave_stack(stack_);
        if constexpr (std::is_void_v<Return>) {
            return {stack_.progress.fault, {}};
        } else {
            if (stack_.progress.fault != plugin::Fault::none) [[unlikely]]
                return {stack_.progress.fault, {}};
            return {plugin::Fault::none, plugin::from_registers<Return>(returned)};
        }
    }

    // For services, inside a call. The call returns with this fault (the first, if there are several) when it
    // ends.
    void complain(plugin::Fault fault) {
        if (stack_.progress.fault == plugin::Fault::none)
            stack_.progress.fault = fault;
    }
    // The call ends here and now with this fault. No frame with something to destroy may stand between, and
    // the watched text must not be empty: the frames of a Python interpreter have.
    [[noreturn]] void abandon(plugin::Fault fault);
    // The budget of the next calls, which says what they may ask of services.
    void set_budget(Nanos budget) {
        allowed_ = static_cast<std::uint16_t>(
            std::min<std::int64_t>(budget.count() / simple_service.count(), UINT16_MAX));
    }
    // To be called first by every service with the work that it is about to do, where nothing has a
    // destructor yet: ends a call that has asked for too much, or that has used its stack up. A loop over
    // services ends at the same one in every run, wherever it runs.
    void count_service(std::uint16_t work = 1) {
        const auto room = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)) - stack_.bottom;
        const auto left = static_cast<std::uint16_t>(allowed_ - stack_.progress.services);
        if (work > left || room < room_for_services) [[unlikely]]
            refuse_service(room);
        else
            stack_.progress.services = static_cast<std::uint16_t>(stack_.progress.services + work);
    }

    // While one lives, a loop without end in a watched text is noticed: the thread that made it ticks every
    // 50 ms of its processor time, and a call that is found in its text at its third tick or later is
    // abandoned with over_budget. Nestable; to be destroyed by the thread that made it.
    class Scope {
      public:
        Scope();
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
    };

  private:
    void refuse_service(std::uint64_t room);

    guard::Stack& stack_;
    std::uint16_t allowed_ = most_services;
};

} // namespace bulkhead::sim
