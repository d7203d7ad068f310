#include "tests/fuzz/whole/machine.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/leave.hpp"
#include "hv/grant/table.hpp"
#include "hv/mm/frame.hpp"
#include "hv/mm/paging.hpp"
#include "tests/fuzz/paging_oracle.hpp"
#include "tests/fuzz/whole/boot.hpp"
#include "tests/fuzz/whole/cost.hpp"
#include "tests/fuzz/whole/dom0.hpp"
#include "tests/fuzz/whole/pcpus.hpp"
#include "tests/fuzz/whole/processor.hpp"
#include "tests/fuzz/whole/producers.hpp"
#include "tests/fuzz/whole/truths.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

extern "C" {
#include <xen/sched.h>
}

namespace bulkhead::hv::whole {

namespace {

constexpr std::uint64_t code = arena + 0x100, syscall_bytes = 2;
constexpr std::uint64_t most_steps_to_end = 200'000;

class Run;
Run* current = nullptr;

class Run {
  public:
    Run(const Plan& plan, std::span<const std::uint8_t> bytes)
        : plan_{plan}, input_{bytes}, calls_{input_, plan.mix}, fronts_{input_},
          dom0_{input_, plan, calls_, fronts_} {
        current = this;
        forget_producers();
        change_at_read(0, nullptr);
        begin_machine({plan.pcpus, plan.guests, plan.vcpus, plan.rings});
        own_at_start_ = frames_of_dom0();
        for (unsigned i = 0; i < plan.pcpus; ++i)
            roots_.push_back(idle_root());
        for (unsigned i = 0; i < plan.pcpus; ++i)
            reach_.push_back(std::make_unique<test::Oracle>([this, i] { return guest_root(i); }));
        on_guest_flush = [this](PcpuId pcpu, Mfn root) {
            roots_[pcpu.value()] = root;
            reach_[pcpu.value()]->flushed();
        };
        watch_locks();
        forget_ids();
        if (plan.rings)
            for_each_domain([this](Domain& domain) {
                if (!domain.privileged)
                    fronts_.born(domain);
            });
        start_pcpus([] { current->live(); });
    }
    ~Run() {
        on_guest_flush = nullptr;
        current = nullptr;
    }

    void go() {
        while (!input_.empty()) {
            const auto choice = input_.byte();
            const unsigned steps = 1 + choice / 4 % 8, safe_points = choice >= 128 ? 50 : 0;
            for (unsigned i = 0; i < steps; ++i)
                step(choice % plan_.pcpus, safe_points);
            skip_common_rest();
        }
        end();
    }

    void require(bool good, const std::string& what) const {
        if (good)
            return;
        std::fprintf(stderr, "%s: %s\n", plan_.name, what.c_str());
        std::abort();
    }

  private:
    static std::uint64_t frames_of_dom0() {
        const auto& memory = find_domain(DomainId{0})->memory;
        return memory.frames.count + memory.metadata;
    }
    // A guest's root has guest's entries; the hypervisor's own has none.
    Mfn guest_root(unsigned pcpu) const { return roots_[pcpu] == idle_root() ? Mfn{} : roots_[pcpu]; }

    [[noreturn]] void live() {
        auto* vcpu = &leave_hypervisor(pcpu());
        for (;;) {
            give_way(Where::guest);
            const auto self = machine::this_pcpu().value();
            begin_measuring(self);
            if (const auto vector = take_interrupt_of(self); vector != 0)
                vcpu->regs.vector = vector;
            else if (!act(*vcpu))
                continue;
            vcpu = &enter_from_guest(vcpu->regs);
        }
    }

    // False: the guest computes. What it was in the middle of goes on, mostly.
    bool act(Vcpu& vcpu) {
        auto& regs = vcpu.regs;
        const bool privileged = vcpu.domain->privileged;
        regs.rsp = stack_of_guests; // handlers never return
        if (regs.rip == code - syscall_bytes && (privileged || input_.empty() || input_.below(16) != 0)) {
            regs.rip = code;
            regs.vector = entry_syscall;
            return true;
        }
        if (privileged)
            dom0_.answered(static_cast<std::int64_t>(regs.rax));
        judge_list(vcpu);
        if (!privileged && !ending_ && input_.below(8) == 0) {
            compute(vcpu);
            return false;
        }
        if (plan_.traps && !privileged && !ending_ && input_.below(8) == 0) {
            regs.rip = code;
            calls_.raise(vcpu);
            return true;
        }
        Place place{vcpu};
        const auto call = choose(vcpu, place);
        if (!call)
            return false;
        auto& list = lists_[&vcpu];
        list = call->number == __HYPERVISOR_multicall ? call->arguments : std::array<std::uint64_t, 6>{};
        regs.rip = code;
        regs.rax = call->number;
        regs.rdi = call->arguments[0], regs.rsi = call->arguments[1], regs.rdx = call->arguments[2];
        regs.r10 = call->arguments[3], regs.r8 = call->arguments[4], regs.r9 = call->arguments[5];
        regs.vector = entry_syscall;
        vcpu.processor.in_kernel = true;
        return true;
    }

    // A list that was carried out has a result for each of its entries.
    void judge_list(const Vcpu& vcpu) {
        const auto list = std::exchange(lists_[&vcpu], std::array<std::uint64_t, 6>{});
        if (vcpu.regs.rip != code || vcpu.regs.rax != 0)
            return;
        const auto* const entries = reinterpret_cast<const multicall_entry_t*>(list[0]);
        for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(list[1]); ++i)
            require(entries[i].result != no_result, "a list ended before its last entry");
    }

    std::optional<Call> choose(Vcpu& vcpu, Place& place) {
        if (vcpu.domain->privileged)
            if (const auto call = dom0_.next(vcpu, place); call || ending_)
                return call;
        if (ending_)
            return Call{__HYPERVISOR_sched_op, {SCHEDOP_block}};
        if (plan_.rings && vcpu.domain->privileged) // it does nothing else with what is the back ends'
            return Call{__HYPERVISOR_sched_op, {SCHEDOP_yield}};
        if (auto* const front = fronts_.find(vcpu.domain->id); front != nullptr)
            if (const auto call = front->next(place); call)
                return call;
        return calls_.any(vcpu, place);
    }

    void compute(Vcpu& vcpu) {
        constexpr std::int64_t lengths[] = {100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000};
        pass(input_.of(lengths));
        if (const auto* front = fronts_.find(vcpu.domain->id); front == nullptr || !front->behaves())
            calls_.scribble(vcpu);
        if (input_.below(4) == 0 && vcpu.info != nullptr) // it has seen its events, or does not want to
            vcpu.info->evtchn_upcall_pending = 0, vcpu.info->evtchn_upcall_mask = input_.byte() & 1;
    }

    void step(unsigned pcpu, unsigned safe_points) {
        if (where_is(pcpu) == Where::resting && !interrupt_waits(pcpu))
            return;
        const auto before = blocks;
        resume(pcpu, safe_points);
        require(section_blocks(pcpu) <= longest_section,
                "a section of " + std::to_string(section_blocks(pcpu)) +
                    " blocks without a preemption point: kind and number " + machine_section(pcpu));
        if (blocks != before && !is_anybody_waiting())
            judge(where_is(pcpu));
    }

    // What costs much is looked at when it may have changed, and now and then.
    void judge(Where after) {
        const auto slow = what_took_too_long();
        require(slow.empty(), slow);
        if (plan_.rings) {
            const auto overtaken = overtaken_producer();
            require(overtaken.empty(), overtaken);
        }
        const bool anyway = ++judged_ % 32 == 0;
        if (is_half_in_motion() || anyway) {
            const auto stale = stale_translation();
            require(stale.empty(), stale);
        }
        if (after != Where::at_safe_point || anyway)
            for (const auto& each : reach_) {
                const auto problem = each->check();
                require(problem.empty(), problem);
            }
        if (judged_ % 8 == 0 && is_quiet())
            judge_quiet();
    }

    void judge_quiet() {
        for (const auto& problem : {lost_wake_up(), reused_id(), broken_port(), fronts_.judge()})
            require(problem.empty(), problem);
    }

    // No pCPU is in the middle of a call.
    bool is_quiet() const {
        for (unsigned i = 0; i < plan_.pcpus; ++i)
            if (where_is(i) != Where::guest && where_is(i) != Where::resting)
                return false;
        return true;
    }

    std::string machine_section(unsigned number) const {
        const auto& self = hv::pcpu(PcpuId{static_cast<std::uint16_t>(number)});
        return std::to_string(self.section_kind) + " " + std::to_string(self.section_number);
    }

    bool is_anybody_waiting() const {
        for (unsigned i = 0; i < plan_.pcpus; ++i)
            if (where_is(i) == Where::waiting)
                return true;
        return false;
    }

    // When nothing happens on any pCPU, the clock jumps to the next timer.
    void skip_common_rest() {
        auto first = RealTime::never();
        for (unsigned i = 0; i < plan_.pcpus; ++i) {
            if (where_is(i) != Where::resting || interrupt_waits(i))
                return;
            first = std::min(first, hv::pcpu(PcpuId{static_cast<std::uint16_t>(i)}).expires);
        }
        if (first != RealTime::never())
            pass((first - machine::now()).count());
    }

    // What each pCPU does, what domain 0 does and was told last, and how far each domain has come.
    std::string who_is_left() const {
        const auto number = [](auto value) { return ' ' + std::to_string(static_cast<std::int64_t>(value)); };
        std::string text;
        for (unsigned i = 0; i < plan_.pcpus; ++i)
            text += "pCPU" + number(i) + " at" + number(where_is(i)) + ", ";
        const auto& vcpu = *find_domain(DomainId{0})->vcpus[0];
        text += "domain 0 in runstate" + number(vcpu.runstate.state) + " with answer" + number(vcpu.regs.rax);
        for_each_domain([&](const Domain& domain) {
            text += ", domain" + number(domain.id.value()) + ": life" + number(domain.life) + " frames" +
                    number(domain.memory.frames.count) + " holds" + number(domain.holds.load());
        });
        return text;
    }

    // All guests block, and domain 0 destroys them.
    void end() {
        ending_ = true;
        if (plan_.rings)
            await_answers();
        dom0_.end_all();
        for (std::uint64_t i = 0; !dom0_.ended_all(); ++i) {
            if (i == most_steps_to_end)
                require(false, "the end of all domains never comes: " + who_is_left());
            for (unsigned pcpu = 0; pcpu < plan_.pcpus; ++pcpu)
                step(pcpu, 50);
            skip_common_rest();
        }
        settle();
        judge_quiet();
        judge_end();
    }

    // Rings that are connected are served to their end. There is time for more than timers between two.
    void await_answers() {
        constexpr std::int64_t pause = 50'000;
        for (std::uint64_t i = 0; !fronts_.have_all_answers(); ++i) {
            require(i < most_steps_to_end, "a request is never answered");
            for (unsigned each = 0; each < 4 * plan_.pcpus; ++each)
                step(each % plan_.pcpus, 50);
            pass(pause);
            const auto problem = fronts_.judge();
            require(problem.empty(), problem);
        }
    }

    // What is half done is not to be judged.
    void settle() {
        for (std::uint64_t i = 0; !is_quiet(); ++i) {
            require(i < most_steps_to_end, "a call never ends");
            for (unsigned each = 0; each < plan_.pcpus; ++each)
                step(each, 50);
        }
    }

    void judge_end() const {
        require(audit_grants() == 0, "use counts and records differ");
        require(audit() == 0, "the frame audit failed");
        require(!plan_.rings || are_all_seats_free(), "a ring or an interface is left");
        const auto expected =
            free_at_start() + own_at_start_ - frames_of_dom0() - (frames_of_half() - half_at_start());
        require(frame_table().free_frames() == expected, "of " + std::to_string(expected) + " frames " +
                                                             std::to_string(frame_table().free_frames()) +
                                                             " are free");
    }

    const Plan& plan_;
    test::Input input_;
    Calls calls_;
    Fronts fronts_;
    Dom0 dom0_;
    bool ending_ = false;
    std::uint64_t judged_ = 0;
    std::map<const Vcpu*, std::array<std::uint64_t, 6>> lists_; // arguments of the calls under way
    std::vector<Mfn> roots_;                                    // in force on each pCPU
    std::vector<std::unique_ptr<test::Oracle>> reach_;
    std::uint64_t own_at_start_ = 0; // frames of domain 0 and for it
};

} // namespace

void run(const Plan& plan, std::span<const std::uint8_t> input) {
    Run{plan, input.first(std::min(input.size(), plan.longest_input))}.go();
}

} // namespace bulkhead::hv::whole

// A frame that was given back must not be reachable through the hypervisor's half any more.
namespace bulkhead::hv {

void real_free(FrameTable& table, Mfn mfn) asm(
    "__real__ZN8bulkhead2hv10FrameTable19free_for_hypervisorENS_6StrongINS_6MfnTagEmEE");
void checked_free(FrameTable& table, Mfn mfn) asm(
    "__wrap__ZN8bulkhead2hv10FrameTable19free_for_hypervisorENS_6StrongINS_6MfnTagEmEE");
void checked_free(FrameTable& table, Mfn mfn) {
    if (whole::current != nullptr)
        whole::current->require(!whole::reached_by_hypervisor(mfn),
                                "a pCPU may still use a frame that is given back");
    real_free(table, mfn);
}

} // namespace bulkhead::hv
