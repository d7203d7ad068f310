#include "hv/plugin/policy_world.hpp"

#include "host/report.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/format.hpp"
#include "hv/base/log.hpp"
#include "hv/mm/frame.hpp"
#include "hv/trap/trap.hpp"

#include <algorithm>
#include <string_view>

namespace bulkhead::hv {

bool policy_memory::back_page(std::uint64_t address) {
    if (!reserve_hypervisor(address, page_bytes))
        return false;
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        return false;
    map_hypervisor(address, frame->value() << page_shift, page_bytes, Access::read_write);
    return true;
}

namespace {

struct Part {
    std::uint64_t start;
    const char* name;
};
// Of the hypervisor's addresses, in ascending order; each ends where the next begins.
constexpr Part parts[] = {
    {0, "no address of the hypervisor"},
    {layout::m2p, "the table of guests' frame numbers"},
    {layout::policy_stacks, "a stack for hooks"},
    {layout::descriptors, "the guests' descriptor tables"},
    {layout::frames, "the frame table"},
    {layout::image, "the hypervisor's own data"},
    {layout::stacks, "a stack of the hypervisor"},
    {layout::plugins, "the file of a policy"},
    {layout::policy_memory, "the memory of schedulers"},
    {layout::memory_policy_memory, "the memory of memory policies"},
    {layout::ring_policy_memory, "the memory of the drive's policies"},
    {layout::net_policy_memory, "the memory of the switch's policies"},
    {layout::domains, "the structures of domains"},
    {layout::real_policy_memory, "the memory of policies of real disks"},
    {layout::block_rings, "the states of disks"},
    {layout::net_ports, "the states of network interfaces"},
    {layout::direct_map, "the machine's memory"},
    {layout::hypervisor_end, "no address of the hypervisor"},
};

const char* part_with(std::uint64_t address) {
    const auto* const after = std::ranges::upper_bound(parts, address, {}, &Part::start);
    return (after - 1)->name;
}

} // namespace

// An instruction is named by its place in the policy's file: policies lie at multiples of 1 MiB.
Explanation explain(plugin::Fault fault) {
    Explanation made{};
    if (fault != plugin::Fault::trapped)
        return made;
    const auto& guard = pcpu().guard;
    constexpr std::uint64_t within = (1 << 20) - 1;
    const auto at = guard.fault_rip - (guard.plugin->start & ~within);
    if (guard.fault_vector == vector::page_fault)
        format_text(made.text, sizeof made.text, "a %s 0x%lx (%s) by the instruction at 0x%lx of its file",
                    (guard.fault_error & page_fault::write) != 0 ? "write to" : "read of",
                    guard.fault_address, part_with(guard.fault_address), at);
    else if (guard.fault_vector == vector::double_fault) // it could not be delivered where the stack ends
        format_text(made.text, sizeof made.text,
                    "a stack that is used up at 0x%lx (%s) in the instruction at 0x%lx of its file",
                    guard.fault_address, part_with(guard.fault_address), at);
    else
        format_text(made.text, sizeof made.text,
                    "processor exception %lu in the instruction at 0x%lx of its file", guard.fault_vector,
                    at);
    return made;
}

void note_takeover(const LoadedPlugin& plugin, bool built_in) {
    trace_event(trace::Event::policy_load, static_cast<std::uint64_t>(plugin.descriptor->kind),
                built_in ? 0 : plugin.descriptor->abi_version);
}

void note_ejection(plugin::Kind kind, std::uint32_t hook, const char* hook_name, plugin::Fault fault,
                   const char* name, const char* why) {
    trace_event(trace::Event::policy_eject, static_cast<std::uint64_t>(kind) << 32 | hook,
                static_cast<std::uint64_t>(fault));
    const bool says_more = std::string_view{why} != host::reason(fault);
    log("policy '%s' removed for %s in hook %s%s%s; the built-in fallback takes over\n", name,
        host::reason(fault), hook_name, says_more ? ": " : "", says_more ? why : "");
}

} // namespace bulkhead::hv
