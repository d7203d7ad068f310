#include "tests/fuzz/whole/script.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/leave.hpp"
#include "tests/fuzz/whole/pcpus.hpp"
#include "tests/fuzz/whole/processor.hpp"
#include "tests/fuzz/whole/producers.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

extern "C" {
#include <xen/sched.h>
}

namespace bulkhead::hv::whole {

namespace {
constexpr std::uint64_t code = arena + 0x100, syscall_bytes = 2, most_steps = 100'000;
Script* current = nullptr;

// By INT 0x82.
void set_narrow_call(Registers& regs, const Call& call) {
    regs.rax = call.number;
    regs.rbx = call.arguments[0], regs.rcx = call.arguments[1], regs.rdx = call.arguments[2];
    regs.rsi = call.arguments[3], regs.rdi = call.arguments[4], regs.rbp = call.arguments[5];
}

void set_call(Registers& regs, const Call& call) {
    regs.rax = call.number;
    regs.rdi = call.arguments[0], regs.rsi = call.arguments[1], regs.rdx = call.arguments[2];
    regs.r10 = call.arguments[3], regs.r8 = call.arguments[4], regs.r9 = call.arguments[5];
}
} // namespace

Script::Script(std::uint32_t guests, bool rings, std::uint32_t zones) {
    forget_producers();
    change_at_read(0, nullptr);
    begin_machine({.pcpus = 1, .guests = guests, .vcpus = 1, .rings = rings, .zones = zones});
    current = this;
    start_pcpus([] { current->live(); });
}

Script::~Script() { current = nullptr; }

void Script::require(bool good, const std::string& what) {
    if (good)
        return;
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
}

std::int64_t Script::call(Vcpu& vcpu, const Call& call) {
    caller_ = &vcpu;
    call_ = call;
    stage_ = Stage::wanted;
    for (std::uint64_t i = 0; stage_ != Stage::none; ++i) {
        require(i < most_steps, "a call never ends");
        step();
    }
    return answer_;
}

void Script::let_pass(Nanos time) {
    constexpr unsigned parts = 8;
    for (unsigned i = 0; i < parts; ++i) {
        pass(time.count() / parts);
        step();
    }
}

std::uint64_t Script::longest_section() { return std::exchange(longest_, 0); }
std::uint64_t Script::longest_piece() { return std::exchange(piece_, 0); }

void Script::step() {
    const auto before = own_blocks(0);
    resume(0);
    longest_ = std::max(longest_, section_blocks(0));
    piece_ = std::max(piece_, own_blocks(0) - before);
}

void Script::live() {
    auto* vcpu = &leave_hypervisor(pcpu());
    for (;;) {
        give_way(Where::guest);
        begin_measuring(0);
        if (const auto vector = take_interrupt_of(0); vector != 0)
            vcpu->regs.vector = vector;
        else
            act(*vcpu);
        vcpu = &enter_from_guest(vcpu->regs);
    }
}

// The guest makes its call, goes on with it, or yields.
void Script::act(Vcpu& vcpu) {
    auto& regs = vcpu.regs;
    regs.rsp = stack_of_guests;
    regs.vector = vcpu.domain->pae ? std::uint64_t{pae_hypercall_vector} : entry_syscall;
    vcpu.processor.in_kernel = true;
    const bool goes_on = std::exchange(regs.rip, code) == code - syscall_bytes;
    if (goes_on)
        return;
    if (&vcpu == caller_ && stage_ == Stage::called) {
        answer_ = vcpu.domain->pae ? std::int64_t{static_cast<std::int32_t>(regs.rax)}
                                   : static_cast<std::int64_t>(regs.rax);
        stage_ = Stage::none;
    }
    const bool calls = &vcpu == caller_ && stage_ == Stage::wanted;
    const auto made = calls ? call_ : Call{__HYPERVISOR_sched_op, {SCHEDOP_yield}};
    vcpu.domain->pae ? set_narrow_call(regs, made) : set_call(regs, made);
    if (calls)
        stage_ = Stage::called;
}

} // namespace bulkhead::hv::whole
