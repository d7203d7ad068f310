// Passes garbage to every hypercall. Calls that a guest may rightly make against itself (shut down, close its
// own ports, point its own trap table nowhere) are left out, so a right hypervisor refuses or tolerates the
// rest, and the guest is well at the end.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/start.hpp"
#include "workloads/random.hpp"
#include "workloads/workload.hpp"

#include <initializer_list>

namespace bulkhead::workload {
namespace {

constexpr Option rounds{"rounds", "1", "200",
                        "how often every hypercall is called; 0 for until for_ms is over"};
constexpr Option seed{"seed", "1", "1", "seed of the arguments"};
constexpr Option options_[] = {rounds, seed};

#ifdef HYPERVISOR_VIRT_END
constexpr std::uint64_t hypervisor_end = HYPERVISOR_VIRT_END;
#else
constexpr std::uint64_t hypervisor_end = std::uint64_t{1} << 32; // 32-bit guests: the hole is the last part
#endif
constexpr unsigned call_numbers = 64;
constexpr std::size_t scratch_words = page_bytes / sizeof(std::uint64_t);

bool one_of(std::uint64_t value, std::initializer_list<std::uint64_t> list) {
    for (const std::uint64_t member : list)
        if (member == value)
            return true;
    return false;
}

// Calls that end or maim the caller by right, or that belong to the machine's owner.
bool left_out(unsigned number) {
    if (one_of(number, {__HYPERVISOR_iret, __HYPERVISOR_set_callbacks, __HYPERVISOR_sched_op_compat,
                        __HYPERVISOR_event_channel_op_compat}))
        return true;
    const bool owner =
        one_of(number, {__HYPERVISOR_platform_op, __HYPERVISOR_physdev_op_compat, __HYPERVISOR_physdev_op,
                        __HYPERVISOR_sysctl, __HYPERVISOR_domctl, __HYPERVISOR_kexec_op,
                        __HYPERVISOR_hypfs_op, __HYPERVISOR_dm_op, __HYPERVISOR_arch_7, __HYPERVISOR_xsm_op,
                        __HYPERVISOR_vcpu_op, __HYPERVISOR_xenpmu_op});
    return owner && guest::is_control_domain();
}

// Sub-commands whose success would be the caller's own fault.
bool harms_caller(unsigned number, std::uint64_t command) {
    const std::uint64_t low = command & 0xffffffff;
    switch (number) {
    case __HYPERVISOR_sched_op:
        return low != SCHEDOP_yield && low < 8;
    case __HYPERVISOR_vcpu_op:
        return one_of(low, {VCPUOP_down, VCPUOP_register_vcpu_info, VCPUOP_register_runstate_memory_area,
                            VCPUOP_register_vcpu_time_memory_area});
    case __HYPERVISOR_event_channel_op:
        return one_of(low, {EVTCHNOP_close, EVTCHNOP_reset, EVTCHNOP_init_control, EVTCHNOP_bind_vcpu});
    case __HYPERVISOR_set_debugreg:
        return low == 7;
    case __HYPERVISOR_vm_assist:
        return low < 2;
    case __HYPERVISOR_console_io:
        return low == CONSOLEIO_write; // legal text would hide the verdict
    default:
        return false;
    }
}

// Calls where even a readable argument could be taken at its word.
bool needs_bad_pointer(unsigned number) {
    return one_of(number, {__HYPERVISOR_set_trap_table, __HYPERVISOR_callback_op, __HYPERVISOR_nmi_op,
                           __HYPERVISOR_memory_op, __HYPERVISOR_set_gdt, __HYPERVISOR_multicall,
                           __HYPERVISOR_update_va_mapping, __HYPERVISOR_update_va_mapping_otherdomain});
}

class Garbage {
  public:
    explicit Garbage(std::uint64_t seed_value) : random_{seed_value} {
        scratch_ = reinterpret_cast<std::uint64_t*>(guest::allocate_pages(2));
    }

    // One call of `number`; true if it was refused.
    bool call(unsigned number) {
        fill_scratch();
        std::uint64_t first = argument(number);
        while (harms_caller(number, first))
            first = random_.next();
        const std::uint64_t second = argument(number);
        const long result =
            guest::hypercall::raw(number, first, second, argument(number), small_or_wild(), wild());
        return result < 0;
    }

  private:
    std::uint64_t wild() { return random_.next(); }
    std::uint64_t small_or_wild() { return random_.below(2) == 0 ? random_.below(64) : wild(); }

    std::uint64_t bad_pointer() {
        switch (random_.below(5)) {
        case 0:
            return HYPERVISOR_VIRT_START + random_.below(hypervisor_end - HYPERVISOR_VIRT_START);
        case 1:
            return 0x800000000000 + random_.below(1ull << 40); // not canonical
        case 2:
            return guest::window_base + (random_.below(1ull << 30) | 0x20000000); // nothing mapped there
        case 3:
            return ~random_.below(page_bytes); // wraps around
        default:
            return random_.below(page_bytes) + 8;
        }
    }
    std::uint64_t scratch_pointer() {
        return reinterpret_cast<std::uintptr_t>(scratch_) +
               random_.below(page_bytes); // may run over into the next page
    }
    std::uint64_t argument(unsigned number) {
        const std::uint64_t kind = random_.below(4);
        if (kind == 0)
            return random_.below(64);
        if (kind == 1)
            return wild();
        return kind == 2 && !needs_bad_pointer(number) ? scratch_pointer() : bad_pointer();
    }
    // Small numbers and wild ones; none of them is a frame of this guest, as itself or as a page-table entry.
    void fill_scratch() {
        for (std::size_t i = 0; i < 2 * scratch_words; i += 1 + random_.below(16))
            scratch_[i] = random_.below(2) == 0 ? random_.below(64) : wild() | 1ull << 62;
    }

    Random random_;
    std::uint64_t* scratch_ = nullptr;
};

// Timer, memory and console still do what they should.
bool still_well(const guest::Page* canary) {
    const GuestTime before = guest::now();
    guest::sleep(bulkhead::microseconds(200));
    if (guest::now() - before < bulkhead::microseconds(200))
        return false;
    for (const std::byte byte : canary->bytes)
        if (byte != std::byte{0x5a})
            return false;
    return true;
}

struct Counts {
    std::uint64_t rounds = 0;
    std::uint64_t refused = 0;
    std::uint64_t accepted = 0;
};

void run() {
    guest::Page* const canary = guest::allocate_pages();
    __builtin_memset(canary, 0x5a, sizeof(*canary));
    Garbage garbage{seed.number()};
    Counts counts;
    const std::uint64_t limit = rounds.number() == 0 ? UINT64_MAX : rounds.number();
    for (; counts.rounds < limit && !over(); ++counts.rounds) {
        for (unsigned number = 0; number < call_numbers; ++number)
            if (!left_out(number))
                ++(garbage.call(number) ? counts.refused : counts.accepted);
        guest::mark(guest::Mark::operations, counts.rounds + 1);
    }
    const bool well = still_well(canary);
    guest::mark(guest::Mark::finished, counts.rounds);
    guest::print("RESULT name=garbage rounds={} refused={} accepted={} well={}\n", counts.rounds,
                 counts.refused, counts.accepted, well);
}

constexpr Workload garbage_{Kind::attack, "garbage", "passes random arguments to every hypercall", options_,
                            run};
BULKHEAD_WORKLOAD(garbage_)

} // namespace
} // namespace bulkhead::workload
