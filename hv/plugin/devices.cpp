#include "hv/plugin/devices.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/domain/audit.hpp"
#include "hv/io/uplink.hpp"
#include "hv/plugin/net_rings.hpp"
#include "hv/plugin/real_rings.hpp"
#include "hv/plugin/rings.hpp"

#include <algorithm>

namespace bulkhead::hv::devices {

namespace {

bool is_any_running() { return rings::is_running() || net_rings::is_running() || real_rings::is_running(); }

bool is_any_real() { return real_rings::is_running() || uplink::is_running(); }

constexpr Nanos rest_for_audit = microseconds(100);

// One piece of work of each in turn, as long as the section's budget lasts.
void serve(RealTime now) {
    const LockGuard drive_held{drive_lock()};
    if (is_audit_under_way())
        return set_device_timer(now + rest_for_audit);
    for (bool had_work = true, is_over = false; had_work && !is_over;) {
        had_work = rings::step(now);
        had_work |= net_rings::step(now);
        is_over = machine::should_preempt(now);
    }
    set_timer();
    device_works_for(nullptr);
}

void serve_real(RealTime now) {
    const LockGuard drive_held{drive_lock()};
    if (is_audit_under_way())
        return hv::set_poll_timer(now + rest_for_audit);
    while (real_rings::step(now) && !machine::should_preempt())
        now = machine::now();
    set_poll_timer();
    device_works_for(nullptr);
}

// Before what is modelled, whose timer covers the packets that have come.
void serve_uplink(RealTime now) {
    const LockGuard drive_held{drive_lock()};
    if (is_audit_under_way())
        return hv::set_poll_timer(now + rest_for_audit);
    while (uplink::step(now) && !machine::should_preempt())
        now = machine::now();
    set_poll_timer();
    device_works_for(nullptr);
}

// Of a machine with both; each comes first in its turn. `serve` stands apart, so that the other machines have
// nothing of this in their way.
void serve_all(RealTime now) {
    static constinit bool is_real_first = false; // any order will do, so no lock keeps it
    const bool real_first = is_real_first;
    is_real_first = !real_first;
    const bool has_disks = real_rings::is_running();
    if (has_disks && real_first)
        serve_real(now);
    if (uplink::is_running())
        serve_uplink(machine::now());
    serve(machine::now());
    if (has_disks && !real_first)
        serve_real(machine::now());
}

} // namespace

void start() {
    start_device(is_any_real() ? serve_all : serve);
    if (is_any_real())
        set_poll_timer();
}

Result<> replace_policies(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!is_any_running())
        return fail(Error::no_device);
    log("policy '%s' takes over\n", plugin.descriptor->name);
    Result<> done{};
    if (rings::is_running())
        done = rings::replace(plugin, values);
    if (done && net_rings::is_running())
        done = net_rings::replace(plugin, values);
    if (done && real_rings::is_running())
        done = real_rings::replace(plugin, values);
    if (!done)
        log("policy '%s' has no memory; the former one stays (give the machine more: --mem)\n",
            plugin.descriptor->name);
    set_timer();
    if (is_any_real())
        set_poll_timer();
    return done;
}

Result<host::Change> judge(const plugin::ValueChanges& changes) {
    if (!is_any_running())
        return fail(Error::no_device);
    host::Change judged = host::Change::unknown;
    const auto ask = [&](bool is_running, host::Change (*policy)(const plugin::ValueChanges&)) {
        if (is_running && judged != host::Change::done)
            judged = policy(changes);
    };
    ask(rings::is_running(), rings::judge);
    ask(net_rings::is_running(), net_rings::judge);
    ask(real_rings::is_running(), real_rings::judge);
    return judged;
}

void set_poll_timer() {
    const auto disks = real_rings::is_running() ? real_rings::next_work() : RealTime::never();
    hv::set_poll_timer(uplink::is_running() ? std::min(disks, uplink::next_work()) : disks);
}

void set_timer() { set_device_timer(std::min(rings::next_work(), net_rings::next_work())); }

} // namespace bulkhead::hv::devices
