#include "hv/plugin/devices.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/domain/audit.hpp"
#include "hv/plugin/net_rings.hpp"
#include "hv/plugin/rings.hpp"

#include <algorithm>

namespace bulkhead::hv::devices {

namespace {

constexpr Nanos rest_for_audit = microseconds(100);

// One piece of work of each in turn, as long as the section's budget lasts.
void serve(RealTime now) {
    const LockGuard drive_held{drive_lock()};
    if (is_audit_under_way())
        return set_device_timer(now + rest_for_audit);
    for (bool had_work = true; had_work; now = machine::now()) {
        had_work = rings::step(now);
        had_work |= net_rings::step(now);
        if (machine::should_preempt())
            break;
    }
    set_timer();
    device_works_for(nullptr);
}

} // namespace

void start() { start_device(serve); }

Result<> replace_policies(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!rings::is_running() && !net_rings::is_running())
        return fail(Error::no_device);
    log("policy '%s' takes over\n", plugin.descriptor->name);
    Result<> done{};
    if (rings::is_running())
        done = rings::replace(plugin, values);
    if (done && net_rings::is_running())
        done = net_rings::replace(plugin, values);
    if (!done)
        log("policy '%s' has no memory; the former one stays (give the machine more: --mem)\n",
            plugin.descriptor->name);
    set_timer();
    return done;
}

void set_timer() { set_device_timer(std::min(rings::next_work(), net_rings::next_work())); }

} // namespace bulkhead::hv::devices
