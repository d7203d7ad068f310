#include "tests/fuzz/whole/pcpus.hpp"

#include "hv/arch/apic.hpp"
#include "hv/arch/registers.hpp"
#include "hv/arch/rest.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "tests/fuzz/whole/processor.hpp"

#include <array>
#include <cstdlib>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <ucontext.h>

namespace bulkhead::hv {

namespace whole {
namespace {

constexpr std::size_t pointer_from_top = 64;
constexpr std::uint64_t longest_look = 250; // blocks between two looks at what another pCPU must change

struct Coroutine {
    ucontext_t context;
    Where where;
    std::uint64_t own, section_begin; // without what it has run since `resumed`
    std::uint64_t resumed;
    std::uint32_t vectors; // bit n: vector timer_vector + n waits
};
std::array<Coroutine, most_pcpus> all{};
ucontext_t outside;
unsigned running = most_pcpus; // none
unsigned count_of_pcpus = 1;
unsigned safe_points_to_pass = 0;
std::byte* stacks = nullptr;
[[gnu::section("hv_data")]] Pcpu pcpus[most_pcpus];

std::byte* stack(unsigned pcpu) { return stacks + pcpu * stack_area_bytes; }

void switch_from(ucontext_t& from, ucontext_t& to, const void* to_stack, std::size_t bytes) {
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, to_stack, bytes);
    ::swapcontext(&from, &to);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}

void prepare(unsigned pcpu, void (*begin)()) {
    auto& it = all[pcpu];
    __asan_unpoison_memory_region(stack(pcpu), stack_area_bytes);
    ::getcontext(&it.context);
    it.context.uc_stack.ss_sp = stack(pcpu);
    it.context.uc_stack.ss_size = stack_area_bytes - pointer_from_top;
    it.context.uc_link = &outside;
    *reinterpret_cast<Pcpu**>(stack(pcpu) + stack_area_bytes - pointer_from_top) = &pcpus[pcpu];
    ::makecontext(&it.context, begin, 0);
}

const void* outside_stack = nullptr;
std::size_t outside_bytes = 0;
void (*life_of_all)() = nullptr;
void (*work_of_first)() = nullptr;

void begin() {
    __sanitizer_finish_switch_fiber(nullptr, &outside_stack, &outside_bytes);
    life_of_all();
}
void begin_work() {
    __sanitizer_finish_switch_fiber(nullptr, &outside_stack, &outside_bytes);
    work_of_first();
    work_of_first = nullptr;
    __sanitizer_start_switch_fiber(nullptr, outside_stack, outside_bytes);
}

} // namespace

void make_pcpus(unsigned count) {
    if (stacks == nullptr) {
        auto* all_stacks = ::mmap(nullptr, (most_pcpus + 1) * stack_area_bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const auto start = reinterpret_cast<std::uint64_t>(all_stacks) + stack_area_bytes - 1;
        stacks = reinterpret_cast<std::byte*>(start & ~(stack_area_bytes - 1));
        for (unsigned i = 0; i < most_pcpus; ++i) // as below the real ones
            ::mprotect(stack(i), page_bytes, PROT_NONE);
    }
    count_of_pcpus = count;
    for (unsigned i = 0; i < count; ++i) {
        auto& each = *::new (&pcpus[i]) Pcpu{};
        each.id = PcpuId{static_cast<std::uint16_t>(i)};
        each.apic_id = i;
    }
}

void start_pcpus(void (*life)()) {
    life_of_all = life;
    running = most_pcpus;
    for (unsigned i = 0; i < count_of_pcpus; ++i) {
        prepare(i, begin);
        all[i].where = Where::guest;
        all[i].own = all[i].section_begin = 0;
        all[i].vectors = 0;
    }
}

void resume(unsigned pcpu, unsigned safe_points) {
    running = pcpu;
    safe_points_to_pass = safe_points;
    auto& it = all[pcpu];
    const bool waited = it.where == Where::waiting;
    it.resumed = blocks;
    switch_from(outside, it.context, stack(pcpu), stack_area_bytes);
    const auto ran = blocks - it.resumed;
    if (!waited || it.where != Where::waiting || ran > longest_look)
        it.own += ran;
    running = most_pcpus;
}

void on_first_pcpu(void (*work)()) {
    work_of_first = work;
    prepare(0, begin_work);
    while (work_of_first != nullptr)
        resume(0);
}

void give_way(Where where) {
    auto& self = all[running];
    self.where = where;
    switch_from(self.context, outside, outside_stack, outside_bytes);
}

Where where_is(unsigned pcpu) { return all[pcpu].where; }

std::uint64_t own_blocks(unsigned pcpu) {
    return all[pcpu].own + (pcpu == running ? blocks - all[pcpu].resumed : 0);
}
void begin_measuring(unsigned pcpu) { all[pcpu].section_begin = own_blocks(pcpu); }
std::uint64_t section_blocks(unsigned pcpu) { return own_blocks(pcpu) - all[pcpu].section_begin; }

bool interrupt_waits(unsigned pcpu) {
    return all[pcpu].vectors != 0 || machine::now() >= pcpus[pcpu].expires;
}

Vcpu& enter_from_guest(Registers& regs) {
    auto* const entry = reinterpret_cast<const Vcpu&>(regs).domain->pae ? pae_guest_entry
                        : regs.vector == entry_syscall                  ? syscall_entry
                                                                        : guest_entry;
    return *entry(&regs, &hv::pcpu());
}

std::uint8_t take_interrupt_of(unsigned pcpu) {
    auto& vectors = all[pcpu].vectors;
    if (machine::now() >= pcpus[pcpu].expires)
        vectors |= 1;
    if (vectors == 0)
        return 0;
    const auto first = static_cast<unsigned>(__builtin_ctz(vectors));
    vectors &= vectors - 1;
    return static_cast<std::uint8_t>(timer_vector + first);
}

} // namespace whole

using namespace whole;

Pcpu& pcpu(PcpuId id) { return pcpus[id.value()]; }
std::uint32_t pcpu_count() { return count_of_pcpus; }
PcpuId machine::this_pcpu() { return PcpuId{static_cast<std::uint16_t>(running)}; }

bool machine::should_preempt() {
    if (safe_points_to_pass == 0)
        give_way(Where::at_safe_point);
    else
        --safe_points_to_pass;
    const auto& self = pcpu();
    const auto tick = tsc();
    return tick - self.section_start - self.waited > self.section_budget || time_of(tick) >= self.expires;
}

bool machine::should_preempt(RealTime& now) {
    const bool preempts = should_preempt();
    now = machine::now();
    return preempts;
}

void send_interrupt(std::uint32_t apic_id, std::uint8_t vector) {
    all[apic_id].vectors |= std::uint32_t{1} << (vector - timer_vector);
}
void acknowledge_interrupt() {}
void program_timer(RealTime deadline) { pcpu().programmed = pcpu().expires = deadline; }

void wait_briefly() { give_way(Where::waiting); }

void rest(RealTime) {
    auto& self = pcpu();
    while (!self.has(work::dispatch | work::timer) && !self.request_pending) {
        give_way(Where::resting);
        begin_measuring(running);
        if (const auto vector = take_interrupt_of(running); vector != 0) {
            Registers regs{};
            regs.vector = vector;
            static_cast<void>(hypervisor_trap(&regs));
        }
    }
}

} // namespace bulkhead::hv
