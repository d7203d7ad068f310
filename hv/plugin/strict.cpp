#include "hv/plugin/strict.hpp"

#include "hv/arch/cpu.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/registers.hpp"
#include "hv/arch/strict_space.hpp"
#include "hv/plugin/guard.hpp"

#include <array>

namespace bulkhead::hv {

struct Vcpu;

// How entry.S goes on after a trap or an interrupt that came from the hypervisor itself.
using Entry = Vcpu*(Registers* regs);
extern "C" {
Entry hypervisor_trap, strict_trap;
constinit Entry* entry_from_hypervisor = &hypervisor_trap;
}

namespace strict {

namespace {

// What strict.S knows of the Guard.
static_assert(__builtin_offsetof(Guard, outer_root) == 8 && __builtin_offsetof(Guard, strict_root) == 16 &&
              __builtin_offsetof(Guard, strict_stack) == 24);

std::array<StrictSpace, landmark::max_pcpus> spaces;
bool on = false;

void open_for(const Pcpu& self) {
    const auto& plugin = *self.guard.plugin;
    spaces[self.id.value()].open(plugin.memory, plugin.memory_end);
}

extern "C" guard::WayIn call_on_strict_stack; // strict.S, as call_with_way_back

plugin::Returned call_strictly(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
                               std::uint64_t e, const void* function) {
    open_for(pcpu());
    return call_on_strict_stack(a, b, c, d, e, function);
}

} // namespace

void start(std::uint32_t pcpus) {
    for (std::uint32_t i = 0; i < pcpus; ++i) {
        const PcpuId id{static_cast<std::uint16_t>(i)};
        auto& space = spaces[i];
        space.make(id);
        pcpu(id).guard.strict_root = space.root();
        pcpu(id).guard.strict_stack = space.stack_top();
    }
    on = true;
    guard::way_in = &call_strictly;
    entry_from_hypervisor = &strict_trap;
}

bool is_on() { return on; }

// Without global translations each load of CR3 drops them all: none outlives the switch to a stricter space.
// An exception may strike in a hook, so its stack must be one that is writable there.
void start_here() {
    use_exception_stacks(spaces[pcpu().id.value()].exception_stacks());
    cpu::write_cr4(cpu::read_cr4() & ~cpu::cr4::pge);
}

Outside::Outside() : inner_root_{cpu::read_cr3()} { cpu::write_cr3(pcpu().guard.outer_root); }

// The service may have mapped more of the policy's regions.
Outside::~Outside() {
    open_for(pcpu());
    cpu::write_cr3(inner_root_);
}

} // namespace strict
} // namespace bulkhead::hv
