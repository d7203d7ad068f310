#include "hv/arch/remote.hpp"

#include "hv/arch/apic.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/rest.hpp"
#include "hv/base/lock.hpp"
#include "hv/base/machine.hpp"

#include <atomic>

namespace bulkhead::hv {

namespace {

enum class Flush : std::uint32_t { all, one_page, with_globals };

// One request at a time, under the lock; `pending` holds those that have not flushed yet.
Lock<Rank::shoot_down> flush_lock;
Flush flush_kind{};
GuestAddress flush_address{};
std::atomic<std::uint64_t> pending{0};
std::atomic<std::uint64_t> reachable{1}; // bit n: pCPU n has started

std::atomic<bool> stopping{false};
std::atomic<std::uint32_t> stopped{0};
std::atomic<bool> all_stopped{false};
constexpr Nanos longest_stop = milliseconds(50); // a policy's endless hook is over by then

constexpr std::uint64_t bit(PcpuId id) { return std::uint64_t{1} << id.value(); }

void flush_with_globals() {
    const auto cr4 = cpu::read_cr4();
    cpu::write_cr4(cr4 ^ cpu::cr4::pge); // a change of this bit drops all, whichever way
    cpu::write_cr4(cr4);
}

void flush_here(Flush kind, GuestAddress at) {
    switch (kind) {
    case Flush::all:
        return machine::flush_tlb();
    case Flush::one_page:
        return machine::flush_tlb_page(at);
    case Flush::with_globals:
        return flush_with_globals();
    }
}

void interrupt_each(std::uint64_t pcpus) {
    for (; pcpus != 0; pcpus &= pcpus - 1)
        send_interrupt(pcpu(PcpuId{static_cast<std::uint16_t>(__builtin_ctzll(pcpus))}).apic_id,
                       request_vector);
}

void flush_on(std::uint64_t pcpus, Flush kind, GuestAddress at) {
    const auto self = bit(machine::this_pcpu());
    if ((pcpus & self) != 0)
        flush_here(kind, at);
    const auto others = pcpus & ~self;
    if (others == 0)
        return;
    const LockGuard guard{flush_lock};
    flush_kind = kind;
    flush_address = at;
    pending.store(others, std::memory_order_seq_cst);
    interrupt_each(others);
    while (pending.load(std::memory_order_acquire) != 0)
        machine::wait_a_little();
}

std::uint64_t every_other_pcpu() { return reachable & ~bit(machine::this_pcpu()); }

} // namespace

void become_reachable() { reachable |= bit(machine::this_pcpu()); }

void kick(PcpuId id) {
    if (id != machine::this_pcpu())
        send_interrupt(pcpu(id).apic_id, kick_vector);
}

void nudge(PcpuId id) {
    if (id != machine::this_pcpu())
        send_interrupt(pcpu(id).apic_id, request_vector);
}

void serve_flush() {
    const auto self = bit(machine::this_pcpu());
    if ((pending.load(std::memory_order_acquire) & self) != 0) {
        flush_here(flush_kind, flush_address);
        pending.fetch_and(~self, std::memory_order_acq_rel);
    }
}

void stop_if_asked() {
    if (!stopping.load(std::memory_order_acquire)) [[likely]]
        return;
    stopped.fetch_add(1, std::memory_order_acq_rel);
    while (!all_stopped.load(std::memory_order_acquire)) { // others may still be in calls that need a flush
        serve_flush();
        asm volatile("pause");
    }
    for (;;)
        asm volatile("cli; hlt");
}

void flush_hypervisor_elsewhere() { flush_on(every_other_pcpu(), Flush::with_globals, {}); }

void stop_other_pcpus() {
    std::uint64_t others = 0;
    std::uint32_t count = 0;
    for (auto left = every_other_pcpu(); left != 0; left &= left - 1)
        if (pcpu(PcpuId{static_cast<std::uint16_t>(__builtin_ctzll(left))}).account != nullptr) { // it runs
            others |= left & -left;
            ++count;
        }
    stopping.store(true, std::memory_order_seq_cst);
    for (auto left = others; left != 0; left &= left - 1)
        pcpu(PcpuId{static_cast<std::uint16_t>(__builtin_ctzll(left))}).ask(work::stop);
    interrupt_each(others);
    const auto give_up = machine::now() + longest_stop;
    while (stopped.load(std::memory_order_acquire) != count && machine::now() < give_up) {
        serve_flush();
        asm volatile("pause");
    }
    all_stopped.store(true, std::memory_order_release);
}

namespace machine {

void wait_a_little() {
    const auto start = tsc();
    serve_flush();
    wait_briefly();
    pcpu().waited += tsc() - start;
}

void wait_at_rest() {
    stop_if_asked();
    wait_a_little();
}

void flush_tlb_on(std::uint64_t pcpus) { flush_on(pcpus, Flush::all, {}); }
void flush_tlb_page_on(std::uint64_t pcpus, GuestAddress at) { flush_on(pcpus, Flush::one_page, at); }

std::uint64_t pcpus_using(DomainId domain) {
    std::uint64_t mask = 0;
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        if (pcpu(PcpuId{static_cast<std::uint16_t>(i)}).space.load(std::memory_order_seq_cst) ==
            domain.value())
            mask |= std::uint64_t{1} << i;
    return mask;
}

std::uint64_t pcpus_using_any() {
    std::uint64_t mask = 0;
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        if (pcpu(PcpuId{static_cast<std::uint16_t>(i)}).space.load(std::memory_order_seq_cst) != no_guest)
            mask |= std::uint64_t{1} << i;
    return mask;
}

} // namespace machine
} // namespace bulkhead::hv
