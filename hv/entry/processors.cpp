#include "hv/entry/processors.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/apic.hpp"
#include "hv/arch/clock.hpp"
#include "hv/arch/context.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/remote.hpp"
#include "hv/arch/turns.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/leave.hpp"
#include "hv/entry/acpi.hpp"
#include "hv/plugin/strict.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/ledger.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

extern "C" {
extern const char secondary_start[], secondary_end[];
extern std::uint64_t secondary_stack, secondary_root;
extern char boot_stack[];
[[noreturn]] void enter_first_guest(bulkhead::hv::Vcpu* vcpu);
}

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t secondary_physical = 0x10000;
constexpr Nanos longest_start = milliseconds(1'000);

std::uint32_t pcpus_in_use = 1;
bool with_keeper = false; // its Pcpu follows those of the pCPUs
std::atomic<std::uint32_t> arrived{1};
std::atomic<RealTime> opening{RealTime::never()}; // when all ledgers open

void wait_for(std::uint32_t number) {
    const auto give_up = machine::now() + longest_start;
    while (arrived.load(std::memory_order_acquire) != number) {
        if (machine::now() > give_up)
            machine::panic("a processor does not start");
        machine::wait_a_little();
    }
}

PcpuId keeper() { return PcpuId{static_cast<std::uint16_t>(pcpus_in_use)}; }

// INIT, then the start-up interrupt twice, as the processor manuals ask for: the second one is for processors
// that missed the first, and has no effect on others.
void start_one(std::uint32_t index) {
    auto& cpu = pcpu(PcpuId{static_cast<std::uint16_t>(index)});
    const auto before = arrived.load(std::memory_order_acquire);
    const auto top = layout::stacks + (index + 1) * stack_area_bytes - pointer_from_top;
    *reinterpret_cast<Pcpu**>(top) = &cpu;
    secondary_stack = top;
    secondary_root = idle_root().value() << page_shift;
    send_init(cpu.apic_id);
    spin_for(microseconds(10));
    send_start_up(cpu.apic_id, secondary_physical >> page_shift);
    spin_for(microseconds(200));
    if (arrived.load(std::memory_order_acquire) == before)
        send_start_up(cpu.apic_id, secondary_physical >> page_shift);
    wait_for(before + 1);
}

// The keeper's life, in place of a dispatch loop.
[[noreturn]] void be_keeper() {
    start_keeping();
    for (;;) {
        keep_turns();
        // The keeper may be the last to halt: hv/arch/halt.cpp says why the counter is read.
        cpu::wait_for_interrupt();
    }
}

} // namespace

std::uint32_t pcpu_count() { return pcpus_in_use; }

void choose_processors(std::uint32_t wanted, bool counted) {
    const auto found = find_processors(own_apic_id());
    if (wanted > found.count)
        machine::panic("the manifest asks for more processors than the machine has");
    pcpus_in_use = std::min<std::uint32_t>(wanted != 0 ? wanted : found.count, landmark::max_pcpus);
    for (std::uint32_t i = 0; i < pcpus_in_use; ++i) {
        const PcpuId id{static_cast<std::uint16_t>(i)};
        auto& cpu = i == 0 ? pcpu(id) : make_pcpu(id);
        cpu.apic_id = found.apic_ids[i * (found.count / pcpus_in_use)];
    }
    with_keeper = counted && pcpus_in_use > 1 && pcpus_in_use < found.count;
    if (with_keeper)
        make_pcpu(keeper()).apic_id = found.apic_ids[found.count - 1];
    landmark_page().pcpus = pcpus_in_use;
}

void reserve_stacks(EarlyMemory& early) {
    unmap_hypervisor(reinterpret_cast<std::uint64_t>(boot_stack), page_bytes);
    constexpr auto used = stack_area_bytes - page_bytes;
    for (std::uint32_t i = 1; i < pcpus_in_use + with_keeper; ++i)
        map_hypervisor(layout::stacks + i * stack_area_bytes + page_bytes, early.take(used), used,
                       Access::read_write);
}

void start_other_processors() {
    std::memcpy(reinterpret_cast<void*>(layout::direct_map + secondary_physical), secondary_start,
                static_cast<std::size_t>(secondary_end - secondary_start));
    if (with_keeper) {
        start_one(pcpus_in_use);
        use_turns(pcpu(keeper()).apic_id);
    }
    for (std::uint32_t i = 1; i < pcpus_in_use; ++i)
        start_one(i);
}

void release_processors() {
    const auto now = machine::now();
    start_ledger(now);
    opening.store(now, std::memory_order_release);
}

extern "C" [[noreturn]] void start_secondary() {
    load_idle_root();
    start_processor();
    load_descriptors();
    start_apic();
    const bool keeps_turns = pcpu().id.value() == pcpus_in_use;
    if (!keeps_turns) {
        if (strict::is_on())
            strict::start_here();
        become_reachable();
    }
    arrived.fetch_add(1, std::memory_order_acq_rel);
    if (keeps_turns)
        be_keeper();
    while (opening.load(std::memory_order_acquire) == RealTime::never())
        machine::wait_a_little();
    start_ledger(opening.load(std::memory_order_relaxed));
    enter_first_guest(&leave_hypervisor(pcpu()));
}

} // namespace bulkhead::hv
