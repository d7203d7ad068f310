// A round robin that misbehaves on purpose: from a given time on, one of its hooks breaks the contract
// in the way that `mode` selects. It shows that a host survives, names the policy, the hook and the
// reason, and lets its guests continue.
//
// Source:   the contract itself: each mode breaks one of its clauses. The idea of a scheduler that
//           injects faults to test its host is from sched_ext's scx_chaos.
// Good at:  testing the host.
// Bad at:   everything else.
// Bounds:   none.
#include "sched/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

enum class Mode : std::int64_t {
    none,
    stray_pointer, // wrong answers of pick
    blocked_vcpu,
    short_slice,
    long_slice,
    short_idle,
    read_null, // exceptions, in the hook that `hook` names
    write_code,
    run_data,
    no_address,
    undefined,
    divide,
    breakpoint,
    endless_loop, // over budget
    endless_calls,
    starve, // one vCPU, everybody
    idle,
    forget,
    hoard, // asks for memory until there is none, and uses it
    kick_storm,
    kick_nowhere, // a pCPU that does not exist
};

enum class Hook : std::int64_t { create, attach, detach, wake, deschedule, pick, place };

class Chaos : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, intrusive::list_base_hook<> {};

    static constexpr bool well_behaved = false;
    static constexpr plugin::Parameter parameters[] = {
        {"mode", "1",
         "0 none, pick answers: 1 stray pointer, 2 blocked vCPU, 3 short slice, 4 long slice, 5 short idle; "
         "faults: 6 read null, 7 write code, 8 run data, 9 no address, 10 undefined, 11 divide, 12 "
         "breakpoint; "
         "time: 13 endless loop, 14 endless calls; 15 starve one, 16 idle, 17 forget wakes, 18 hoard memory, "
         "19 kick storm, 20 kick nowhere",
         0, 0, 20},
        {"hook", "1",
         "hook with the fault or loop: 0 create, 1 attach, 2 detach, 3 wake, 4 deschedule, 5 pick, 6 place",
         5, 0, 6},
        {"after", "us", "time until it misbehaves", 20'000, 0, 100'000'000},
    };
    static constexpr sched::Text text{
        .name = "chaos",
        .summary = "round robin that breaks the contract in a chosen way, to test the host",
        .good_at = "testing the host",
        .bad_at = "everything else",
        .source = "sched/contract.hpp, clause by clause; scx_chaos of sched_ext",
    };

    explicit Chaos(const sched::Setup<Chaos>& setup)
        : services_{setup.services}, mode_{setup.values[0]}, hook_{setup.values[1]},
          after_{RealTime{} + microseconds(setup.values[2])} {
        if (hook_ == Hook::create)
            fail();
    }

    void attach(Vcpu& vcpu) {
        maybe_fail(Hook::attach);
        if (favourite_ == nullptr && vcpu.domain->id != DomainId{0}) // that one hardly ever runs
            favourite_ = &vcpu;
    }
    void detach(Vcpu& vcpu) {
        maybe_fail(Hook::detach);
        if (favourite_ == &vcpu)
            favourite_ = nullptr;
        if (blocked_ == &vcpu)
            blocked_ = nullptr;
    }
    void wake(Vcpu& vcpu, RealTime) {
        maybe_fail(Hook::wake);
        if (blocked_ == &vcpu)
            blocked_ = nullptr;
        if (!(bad(Mode::forget) || (bad(Mode::starve) && favourite_ != nullptr && favourite_ != &vcpu)))
            queue_.push_back(vcpu);
    }
    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        maybe_fail(Hook::deschedule);
        if (vcpu.is_linked())
            queue_.erase(queue_.iterator_to(vcpu));
        if (!sched::still_runnable(why))
            blocked_ = &vcpu;
        else if (!(bad(Mode::starve) && favourite_ != nullptr && favourite_ != &vcpu))
            queue_.push_back(vcpu);
    }
    sched::Decision pick(Pcpu& pcpu, RealTime) {
        maybe_fail(Hook::pick);
        if (const sched::Decision answer = wrong_answer(); answer.slice != Nanos{})
            return answer;
        for (Vcpu& vcpu : queue_)
            if (vcpu.may_run_on(pcpu.id)) {
                queue_.erase(queue_.iterator_to(vcpu));
                return {&vcpu, milliseconds(5)};
            }
        return sched::Decision::idle();
    }
    PcpuId place(const Vcpu& vcpu, RealTime) {
        maybe_fail(Hook::place);
        return vcpu.last_pcpu;
    }

  private:
    [[nodiscard]] bool due() const { return services_.now() >= after_; }
    [[nodiscard]] bool bad(Mode mode) const { return mode_ == mode && due(); }
    void maybe_fail(Hook hook) {
        if (hook_ == hook && due())
            fail();
    }

    // A slice of nothing: no wrong answer, go on.
    sched::Decision wrong_answer() {
        if (!due())
            return {};
        Vcpu* some = queue_.empty() ? nullptr : &queue_.front();
        switch (mode_) {
        case Mode::stray_pointer:
            return {reinterpret_cast<sched::Vcpu*>(std::uintptr_t{0xdead0000}), milliseconds(1)};
        case Mode::blocked_vcpu:
            return {blocked_, blocked_ != nullptr ? milliseconds(1) : Nanos{}};
        case Mode::short_slice:
            return {some, some != nullptr ? Nanos{1} : Nanos{}};
        case Mode::long_slice:
            return {some, some != nullptr ? sched::longest_slice + Nanos{1} : Nanos{}};
        case Mode::short_idle:
            return {nullptr, Nanos{1}};
        case Mode::idle:
            return sched::Decision::idle();
        default:
            return {};
        }
    }

    // By assembly, so that a compiler cannot see the fault and leave it out.
    void fail() {
        switch (mode_) {
        case Mode::read_null:
            asm volatile("movl (%0), %%eax" : : "r"(std::uintptr_t{0}) : "eax", "memory");
            break;
        case Mode::write_code:
            asm volatile("1: lea 1b(%%rip), %%rax; movb $0, (%%rax)" : : : "rax", "memory");
            break;
        case Mode::run_data:
            asm volatile("call *%0" : : "r"(this) : "memory");
            break;
        case Mode::no_address: // canonical ones alone are addresses: #GP, not #PF
            asm volatile("movl (%0), %%eax" : : "r"(std::uint64_t{1} << 63) : "eax", "memory");
            break;
        case Mode::undefined:
            asm volatile("ud2");
            break;
        case Mode::divide: {
            int one = 1;
            asm volatile("cltd; idivl %1" : "+a"(one) : "r"(0) : "edx");
            break;
        }
        case Mode::breakpoint:
            asm volatile("int3");
            break;
        case Mode::endless_loop:
            for (;;)
                asm volatile("pause");
        case Mode::endless_calls:
            recurse(1);
            break;
        case Mode::hoard:
            while (auto* page = services_.allocate<Page>())
                page->bytes[0] = 1;
            break;
        case Mode::kick_storm:
            for (std::uint16_t i = 0; i < 2'000; ++i)
                services_.kick(PcpuId{i});
            break;
        case Mode::kick_nowhere:
            services_.kick(PcpuId{UINT16_MAX});
            break;
        default:
            break;
        }
    }

    // A recursion that no compiler makes a loop of: something is left to do after each call.
    [[gnu::noinline]] static std::uint64_t recurse(std::uint64_t depth) {
        asm volatile("" : "+r"(depth) : : "memory");
        std::uint64_t below = depth == 0 ? 0 : recurse(depth + 1);
        asm volatile("" : "+r"(below) : : "memory");
        return below + depth;
    }

    struct Page {
        char bytes[4096];
    };

    sched::Services services_;
    Mode mode_;
    Hook hook_;
    RealTime after_;
    Vcpu* favourite_ = nullptr; // whom `starve` lets run
    Vcpu* blocked_ = nullptr;   // stopped last
    intrusive::list<Vcpu, intrusive::constant_time_size<false>> queue_;
};

} // namespace

BULKHEAD_SCHEDULER(Chaos)
