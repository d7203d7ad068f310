#include "hv/plugin/rings.hpp"

#include "abi/enum_name.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/base/late.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/domain/audit.hpp"
#include "hv/io/block.hpp"
#include "hv/mm/frame.hpp"
#include "hv/plugin/ring_world.hpp"

#include <algorithm>
#include <string_view>

namespace bulkhead::hv {

bool RingWorld::back_page(std::uint64_t address) {
    if (!reserve_hypervisor(address, page_bytes))
        return false;
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        return false;
    map_hypervisor(address, frame->value() << page_shift, page_bytes, Access::read_write);
    return true;
}

void RingWorld::reserve_regions() {
    for (std::uint32_t set = 0; set < host::policy_sets; ++set)
        for (std::uint32_t number = 0; number <= host::RingKind::pools; ++number)
            if (!reserve_hypervisor(region(set, number), page_bytes))
                give_up(host::RingKind::no_memory);
}

void RingWorld::takes_over(const LoadedPlugin& plugin) {
    trace_event(trace::Event::policy_load, static_cast<std::uint64_t>(plugin.descriptor->kind),
                is_built_in(plugin) ? 0 : plugin.descriptor->abi_version);
}

void RingWorld::ejected(ringctl::Hook hook, plugin::Fault fault, RealTime, const char* why) {
    const auto kind = static_cast<std::uint64_t>(plugin::Kind::ring) << 32;
    trace_event(trace::Event::policy_eject, kind | static_cast<std::uint32_t>(hook),
                static_cast<std::uint64_t>(fault));
    const bool says_more = std::string_view{why} != host::reason(fault);
    log("policy '%s' removed for %s in hook %s%s%s; the built-in fallback takes over\n", report().name,
        host::reason(fault), enum_name(hook), says_more ? ": " : "", says_more ? why : "");
}

namespace rings {

namespace {

constinit Late<device::DiskDrive> drive;
constinit Late<host::RingHost<RingWorld>> policy_host;
constexpr Nanos rest_for_audit = microseconds(100);

constinit bool is_there = false;
constinit bool has_copies = false; // for which there was no time

void finish_oldest() {
    const auto service = drive->take_done();
    device_works_for(
        boost::intrusive::get_parent_from_member(service.request->ring, &BlockRing::queue)->guest);
    policy_host->complete(*service.request, service.time);
}

// The drive comes first, so that it does not idle while bytes move.
void serve(RealTime now) {
    const LockGuard drive_held{drive_lock()};
    if (is_audit_under_way())
        return set_device_timer(now + rest_for_audit);
    do {
        if (drive->next() <= machine::now()) {
            finish_oldest();
            policy_host->give_work();
            has_copies = true;
        } else if (policy_host->asks_again() <= machine::now()) {
            device_works_for(nullptr);
            policy_host->give_work();
        } else if (has_copies) {
            has_copies = copy_one_request();
        } else if (!take_left_requests()) {
            break;
        }
    } while (!machine::should_preempt());
    device_works_for(nullptr);
    set_timer();
}

[[nodiscard]] RealTime next_work() {
    if (has_copies || is_more_left())
        return machine::now();
    return std::min(drive->next(), policy_host->asks_again());
}

} // namespace

void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values) {
    start_block_rings();
    start_seats();
    RingWorld::reserve_regions();
    RingWorld world{&drive.make(model)};
    is_there = true;
    policy_host.make(world).start(plugin != nullptr ? *plugin : RingWorld::fallback(), values);
    start_device(serve);
}

Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!is_there)
        return fail(Error::no_device);
    log("policy '%s' takes over\n", plugin.descriptor->name);
    if (!policy_host->replace(plugin, values)) {
        log("policy '%s' has no memory; the former one stays (give the machine more: --mem)\n",
            plugin.descriptor->name);
        return fail(Error::no_memory);
    }
    policy_host->give_work();
    set_timer();
    return {};
}

bool open(BlockRing& ring) { return policy_host->open(ring); }
void close(BlockRing& ring) { policy_host->close(ring); }
void tune(BlockTenant& tenant) { policy_host->tune(tenant); }
bool is_open(const BlockRing& ring) { return host::RingHost<RingWorld>::is_open(ring); }
std::uint64_t next_number() { return policy_host->submitted(); }

void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes) {
    host::RequestFields coming;
    coming.number = policy_host->submitted();
    trace_event(trace::Event::ring_submit, *ring.guest, RingWorld::name_of(ring, coming), bytes);
    policy_host->submit(ring, operation, sector, bytes);
}

void set_timer() { set_device_timer(next_work()); }

} // namespace rings

} // namespace bulkhead::hv
