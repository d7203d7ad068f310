// What of hv/arch and hv/entry needs a real processor: its guests' registers, their memory, calls of
// policies.
#include "hv/arch/address_space.hpp"
#include "hv/arch/context.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/panic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/power.hpp"
#include "hv/arch/virtio_pci.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/domain/domain.hpp"
#include "hv/plugin/guard.hpp"
#include "hv/plugin/strict.hpp"
#include "hv/trap/seams.hpp"
#include "tests/fuzz/whole/boot.hpp"
#include "tests/fuzz/whole/cost.hpp"
#include "tests/fuzz/whole/processor.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

// There is no PCI bus.
namespace bulkhead::hv {
std::optional<VirtioPci> VirtioPci::find(std::uint32_t, Kind) { return std::nullopt; }
std::uint32_t VirtioPci::negotiate(std::uint32_t) const { return 0; }
std::uint16_t VirtioPci::queue_entries(std::uint16_t) const { return 0; }
void VirtioPci::set_queue(std::uint16_t, std::uint64_t) const {}
void VirtioPci::go() const {}
std::uint32_t VirtioPci::configuration(std::uint16_t) const { return 0; }
void VirtioPci::notify(std::uint16_t) const {}
void VirtioPci::stop() const {}
} // namespace bulkhead::hv

// Without the instructions of vectors.
namespace bulkhead::hv::machine {
void clear_frame(Mfn mfn) { std::memset(frame_data(mfn), 0, page_bytes); }
} // namespace bulkhead::hv::machine

// Places that only assembly has.
extern "C" {
struct Fixup {
    std::uint64_t fault, resume;
};
extern const Fixup fixups_start[1], fixups_end[1];
const Fixup fixups_start[1]{}, fixups_end[1]{};
extern const char guest_iret[1], spin_start[1], spin_end[1];
const char guest_iret[1]{}, spin_start[1]{}, spin_end[1]{};
char vector_stubs[1], pae_vector_stubs[1], syscall_stubs[1], syscall_compat_stubs[1], sysenter_stubs[1];
struct SyscallSlot {
    std::uint64_t saved_sp, regs_end, padding[6];
};
SyscallSlot syscall_slots[bulkhead::landmark::max_pcpus];
}

namespace bulkhead::hv {

namespace {
whole::Misconduct next_misconduct{};
std::uint64_t misconducts_so_far = 0;
std::string console;
} // namespace

namespace whole {
void misconduct(Misconduct next) {
    next_misconduct = next;
    if (next == Misconduct::none)
        misconducts_so_far = 0;
}
std::uint64_t misconducts() { return misconducts_so_far; }
} // namespace whole

// A policy's function is called with all the registers that it might look at.
extern "C" [[clang::no_sanitize("function")]] plugin::Returned guard_call(std::uint64_t a, std::uint64_t b,
                                                                          std::uint64_t c, std::uint64_t d,
                                                                          std::uint64_t e,
                                                                          const void* function) {
    using Function =
        plugin::Returned (*)(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t);
    auto& guard = pcpu().guard;
    const bool built_in = guard.plugin->end == 0;
    const auto how =
        built_in ? whole::Misconduct::none : std::exchange(next_misconduct, whole::Misconduct::none);
    misconducts_so_far += how != whole::Misconduct::none;
    if (how == whole::Misconduct::traps) {
        guard.fault = plugin::Fault::trapped;
        return {};
    }
    const auto before = whole::blocks;
    const auto answer = reinterpret_cast<Function>(const_cast<void*>(function))(a, b, c, d, e);
    if (built_in) // other policies' blocks are not counted
        whole::note_hook(whole::blocks - before);
    if (how == whole::Misconduct::lasts)
        whole::pass(Nanos{milliseconds(20)}.count());
    return answer;
}

namespace guard {
extern "C" plugin::Returned call_with_way_back(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                               std::uint64_t d, std::uint64_t e, const void* function) {
    return guard_call(a, b, c, d, e, function);
}
constinit WayIn* way_in = &call_with_way_back;
} // namespace guard

namespace strict { // needs page tables that a processor walks
bool is_on() { return false; }
Outside::Outside() = default;
Outside::~Outside() = default;
} // namespace strict
bool recover_from_trap(Registers&, std::uint64_t) { return false; }
bool recover_from_overrun(Registers&) { return false; }

const Features& features() {
    static constexpr Features none{
        .smep = false, .smap = false, .umip = false, .xsave = false, .xcr0 = 3, .fpu_bytes = 576};
    return none;
}

// The context of a vCPU: its address space alone.
void save_context(Pcpu&, Vcpu&) {}
void load_context(Pcpu& self, Vcpu& vcpu) {
    vcpu.hypervisor_stack = stack_top();
    self.space.store(vcpu.domain->id.value(), std::memory_order_seq_cst);
    const auto root = vcpu.processor.in_kernel ? vcpu.tables.kernel_root : vcpu.tables.user_root;
    if (self.root != root.value() << page_shift)
        machine::load_root(root);
    load_gdt_of(vcpu);
    load_ldt_of(vcpu);
    select_vcpu_entry(vcpu);
}
void load_idle_root() {
    if (pcpu().root == idle_root().value() << page_shift)
        return;
    machine::load_root(idle_root());
    pcpu().space.store(no_guest, std::memory_order_release);
}
void toggle_guest_mode(Vcpu& vcpu) {
    vcpu.processor.in_kernel = !vcpu.processor.in_kernel;
    machine::load_root(vcpu.processor.in_kernel ? vcpu.tables.kernel_root : vcpu.tables.user_root);
    if (vcpu.processor.in_kernel)
        publish_late(vcpu);
}

void save_segment_bases(Vcpu&) {}
void load_segment_bases(const Vcpu&) {}
void set_fs_base(Vcpu& vcpu, std::uint64_t base) { vcpu.processor.fs_base = base; }
void set_kernel_gs_base(Vcpu& vcpu, std::uint64_t base) { vcpu.processor.gs_base_kernel = base; }
void save_selectors(Vcpu&) {}
bool load_user_gs(Vcpu&, std::uint16_t) { return true; }
void load_debug_registers(const Vcpu&) {}
std::uint64_t take_debug_status() { return 0; }
void apply_task_switched(const Vcpu&) {}
bool handle_device_not_available(Vcpu& vcpu) { return !std::exchange(vcpu.processor.task_switched, false); }
std::uint64_t guest_tsc(const Vcpu&) { return machine::tsc(); }
std::uint64_t host_page_attributes() { return 0x0007040600070406; }

[[noreturn]] void end(const char* what) {
    std::fprintf(stderr, "%s\n%s\n", what, console.c_str());
    std::abort();
}
void panic_at(const Registers&, std::uint64_t) { end("an exception in the hypervisor"); }
void stop_machine(std::uint32_t) { end("the machine stopped"); }
void ring_doorbell(std::uint16_t) {}

namespace machine {

void panic(const char* message) { end(message); }
void out_of_memory(const char* message) {
    if (whole::on_refusal != nullptr)
        whole::on_refusal(message);
    end(message);
}

// The last lines, for a report.
void put_console(char byte) {
    constexpr std::size_t most = 4096;
    if (console.size() >= 2 * most)
        console.erase(0, most);
    console += byte;
}
std::optional<char> get_console() { return std::nullopt; }

namespace {
void* in_arena(GuestAddress at, std::size_t bytes) {
    const auto fits = [&](std::uint64_t start, std::uint64_t size) {
        return at.value() - start < size && bytes <= size - (at.value() - start);
    };
    if (!fits(whole::arena, whole::arena_bytes) && !fits(whole::narrow_arena, whole::narrow_arena_bytes))
        return nullptr;
    whole::pass(static_cast<std::int64_t>(bytes) / 8);
    return reinterpret_cast<void*>(at.value());
}
} // namespace

bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes) {
    const auto* place = in_arena(from, bytes);
    return place != nullptr && std::memcpy(to, place, bytes) != nullptr;
}
bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes) {
    auto* place = in_arena(to, bytes);
    return place != nullptr && std::memcpy(place, from, bytes) != nullptr;
}

void check_copies() {}

} // namespace machine
} // namespace bulkhead::hv
