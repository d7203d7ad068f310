// What a simulated vCPU does: a coroutine that reads like the guest it stands for. Each co_await is work or a
// call of the hypervisor; between two of them no time passes. A program sees what a guest sees and never the
// scheduler.
#pragma once

#include "abi/manifest.hpp"
#include "abi/types.hpp"

#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace bulkhead::sim {

// The coroutine's owner. A program that returns has shut its domain down.
class Program {
  public:
    struct promise_type {
        Program get_return_object() { return Program{Handle::from_promise(*this)}; }
        static std::suspend_always initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { failure = std::current_exception(); }
        std::exception_ptr failure;
    };
    using Handle = std::coroutine_handle<promise_type>;

    Program() = default;
    Program(Program&& other) noexcept
        : handle_{std::exchange(other.handle_, {})}, next_{std::move(other.next_)} {}
    Program& operator=(Program&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(next_, other.next_);
        return *this;
    }
    ~Program() {
        if (handle_)
            handle_.destroy();
    }

    // Another one that begins when this one has returned.
    [[nodiscard]] Program then(Program next) && {
        next_ = std::make_unique<Program>(std::move(next));
        return std::move(*this);
    }
    // Goes on until the next step is asked for. False once all has returned; an exception in it comes out
    // here.
    bool resume() {
        for (;;) {
            handle_.resume();
            if (!handle_.done())
                return true;
            if (handle_.promise().failure)
                std::rethrow_exception(handle_.promise().failure);
            if (!next_)
                return false;
            const std::unique_ptr<Program> next = std::move(next_);
            *this = std::move(*next);
        }
    }
    [[nodiscard]] explicit operator bool() const { return static_cast<bool>(handle_); }

  private:
    explicit Program(Handle handle) : handle_{handle} {}
    Handle handle_;
    std::unique_ptr<Program> next_;
};

class Guest;

// What the program wants next: guest work, then a call.
struct Step {
    enum class Call : std::uint8_t {
        none,
        mark,
        notify,
        wait,
        poll,
        yield,
        fault,
        junk,
        start_vcpu,
        control,
        shutdown,
        service
    };
    Call call = Call::none;
    bool to_instant = false; // the work lasts until the real time `until`, however little of it is own
    Nanos work{};
    RealTime until{};    // of wait and poll: their deadline
    std::uint64_t a = 0; // code, action, reason, vCPU
    std::uint64_t b = 0; // value, argument
    Guest* target = nullptr;
};

// A vCPU as its own program sees it. The machine derives its vCPU from it.
class Guest {
  public:
    using Await = std::suspend_always;

    // Real time at which the program goes on. (A program's timetable is in real time in every time mode.)
    [[nodiscard]] RealTime now() const { return resumed_; }
    [[nodiscard]] Nanos ran() const { return worked_; } // guest work done so far
    // True once for each event, however often it was sent meanwhile.
    bool take_event() { return std::exchange(signalled_, false); }
    [[nodiscard]] bool has_event() const { return signalled_; }

    [[nodiscard]] Await run(Nanos work) { return ask({.work = work}); }
    [[nodiscard]] Await run_until(RealTime instant) { return ask({.to_instant = true, .until = instant}); }
    [[nodiscard]] Await mark(std::uint64_t code, std::uint64_t value = 0) {
        return ask({.call = Step::Call::mark, .work = glue_, .a = code, .b = value});
    }
    [[nodiscard]] Await notify(Guest& peer) {
        return ask({.call = Step::Call::notify, .work = glue_, .target = &peer});
    }
    // Returns when an event is there or the deadline has passed; take_event() tells.
    [[nodiscard]] Await wait(RealTime deadline) {
        return ask({.call = Step::Call::wait, .work = check_, .until = deadline});
    }
    // Blocks once, even if the deadline has passed already.
    [[nodiscard]] Await block(RealTime deadline) {
        return ask({.call = Step::Call::wait, .work = check_, .until = deadline, .a = 1});
    }
    // Blocks until the deadline, with no upcall between the wake and what comes next.
    [[nodiscard]] Await poll(RealTime deadline) {
        return ask({.call = Step::Call::poll, .work = glue_, .until = deadline});
    }
    [[nodiscard]] Await yield() { return ask({.call = Step::Call::yield, .work = glue_}); }
    // A page fault that its own handler, after so much work, sends back to where it came from.
    [[nodiscard]] Await fault(Nanos handler) { return ask({.call = Step::Call::fault, .work = handler}); }
    // A call with random arguments that took so much work to make up, and that nothing comes of.
    [[nodiscard]] Await junk(Nanos work) { return ask({.call = Step::Call::junk, .work = work}); }
    // Another vCPU of the same guest, which begins its own program.
    [[nodiscard]] Await start_vcpu(std::size_t number) {
        return ask({.call = Step::Call::start_vcpu, .work = glue_, .a = number});
    }
    [[nodiscard]] Await shutdown(std::uint32_t reason) {
        return ask({.call = Step::Call::shutdown, .work = glue_, .a = reason});
    }
    // Of what the machine has beside pCPUs: a device, memory. What it means is theirs to say, and they bill
    // it. `work` is the guest's own before it.
    [[nodiscard]] Await service(std::uint64_t which, std::uint64_t argument, Nanos work) {
        return ask({.call = Step::Call::service, .work = work, .a = which, .b = argument});
    }
    // Domain 0 only. `target` is a guest's index in the order of creation.
    [[nodiscard]] Await control(manifest::Action action, std::uint64_t target, std::int64_t argument) {
        Step step{.call = Step::Call::control, .work = glue_, .a = static_cast<std::uint64_t>(action)};
        step.b = target;
        step.until = RealTime{argument};
        return ask(step);
    }

  protected:
    Guest() = default;
    ~Guest() = default;
    Await ask(const Step& step) {
        step_ = step;
        return {};
    }
    Step step_{};
    RealTime resumed_{};
    Nanos worked_{};
    Nanos glue_{};  // guest work around each call
    Nanos check_{}; // and around each block
    bool signalled_ = false;
};

using ProgramMaker = std::function<Program(Guest&)>;

} // namespace bulkhead::sim
