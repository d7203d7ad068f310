// A round robin that, after a number of picks, breaks the contract in the way its parameter says. Only for
// tests: a host must survive each of these and name it.
#include "sched/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace bulkhead::sched {

namespace {

enum class Way : std::int64_t {
    none,
    stray_pointer,
    short_slice,
    fault,
    divide,
    endless,
    in_wake,
    construct,
    stray_write
};

class Misbehave : public Policy {
  public:
    using Hook = boost::intrusive::list_base_hook<>;
    struct Vcpu : sched::Vcpu, Hook {};
    static constexpr plugin::Parameter parameters[] = {
        {"way", "1", "how to break the contract (0: not at all)", 0, 0, 8},
        {"after", "1", "picks before that", 50, 0, 1'000'000},
        {"address", "1", "where a stray write goes, once", 0, INT64_MIN, INT64_MAX},
    };
    static constexpr Text text{.name = "misbehave",
                               .summary = "breaks the contract on request",
                               .good_at = "testing the guard",
                               .bad_at = "scheduling",
                               .source = "tests/system/faulty/misbehave.cpp"};

    explicit Misbehave(const Setup<Misbehave>& setup)
        : way_{static_cast<Way>(setup.values[0])}, after_{setup.values[1]}, address_{setup.values[2]} {
        if (way_ == Way::construct)
            fault();
    }
    void attach(Vcpu&) {}
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) {
        if (due() && way_ == Way::in_wake)
            fault();
        queue_.push_back(vcpu);
    }
    void deschedule(Vcpu& vcpu, Stop why, Nanos, RealTime) {
        if (still_runnable(why))
            queue_.push_back(vcpu);
        else if (vcpu.is_linked())
            queue_.erase(queue_.iterator_to(vcpu));
    }
    Decision pick(Pcpu&, RealTime) {
        ++picks_;
        if (due())
            if (const auto answer = break_contract(); answer.slice != Nanos{})
                return answer;
        if (queue_.empty())
            return Decision::idle();
        last_ = &queue_.front();
        queue_.pop_front();
        return {last_, milliseconds(1)};
    }

  private:
    [[nodiscard]] bool due() const { return picks_ > after_; }
    static void fault() { asm volatile("movl $1, (%0)" : : "r"(std::uintptr_t{8}) : "memory"); }

    // An answer without a slice: go on as usual.
    Decision break_contract() {
        switch (way_) {
        case Way::stray_pointer:
            return {reinterpret_cast<sched::Vcpu*>(std::uintptr_t{0xdead0000}), milliseconds(1)};
        case Way::short_slice:
            return {queue_.empty() ? last_ : &queue_.front(), Nanos{1}};
        case Way::fault:
            fault();
            break;
        case Way::divide: {
            int one = 1;
            const int zero = 0;
            asm volatile("cltd; idivl %1" : "+a"(one) : "r"(zero) : "edx");
            break;
        }
        case Way::stray_write:
            asm volatile("movl $1, (%0)" : : "r"(address_) : "memory");
            way_ = Way::none;
            break;
        case Way::endless:
            for (;;)
                asm volatile("pause");
        default:
            break;
        }
        return {};
    }

    Way way_;
    std::int64_t after_, address_;
    std::int64_t picks_ = 0;
    Vcpu* last_ = nullptr;
    boost::intrusive::list<Vcpu, boost::intrusive::constant_time_size<false>> queue_;
};

} // namespace

BULKHEAD_SCHEDULER(Misbehave)

} // namespace bulkhead::sched
