#include "hv/plugin/policy_world.hpp"

#include "host/report.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/base/log.hpp"
#include "hv/mm/frame.hpp"

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
