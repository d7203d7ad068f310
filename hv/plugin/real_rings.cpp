#include "hv/plugin/real_rings.hpp"

#include "hv/io/block.hpp"
#include "hv/io/disk.hpp"
#include "hv/mm/frame.hpp"
#include "hv/plugin/ring_world.hpp"
#include "hv/plugin/rings.hpp"
#include "hv/trace/ledger.hpp"

#include <algorithm>
#include <new>

namespace bulkhead::hv::real_rings {

namespace {

// It lies in frames of its own, which only a machine with real disks sets aside.
struct Ground {
    RealDrive drive;
    host::RingHost<RealWorld> policy_host;
    RingTenants tenants{};

    explicit Ground(const device::Disk& model) : drive{model}, policy_host{world_with(drive)} {}

  private:
    static RealWorld world_with(RealDrive& drive) {
        RealWorld world{};
        world.drive = &drive;
        return world;
    }
};
constinit Ground* ground = nullptr;

Domain* owner(const host::Request& request) {
    return boost::intrusive::get_parent_from_member(request.ring, &BlockRing::queue)->guest;
}

// The look is on behalf of the request that has been at a disk longest.
void look_at_disks(RealTime now) {
    if (const auto* const oldest = ground->drive.at_a_disk(); oldest != nullptr) {
        rings::work_for(owner(*oldest));
        ground->drive.look(now);
    }
}

} // namespace

void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values) {
    const auto frames = frame_table().allocate_contiguous((sizeof(Ground) + page_bytes - 1) / page_bytes);
    if (!frames)
        machine::out_of_memory("no memory for real disks: give the machine more (--mem)");
    ground = ::new (machine::frame_data(*frames)) Ground{model};
    for (std::uint64_t i = 0; const VirtualDisk* disk = find_disk(i); ++i)
        if (disk->is_real())
            ground->drive.add(*disk);
    start_real_seats(ground->tenants);
    RealWorld::reserve_regions();
    ground->policy_host.start(plugin != nullptr ? *plugin : RealWorld::fallback(), values);
}

bool is_running() { return ground != nullptr; }

bool step(RealTime now) {
    look_at_disks(now);
    auto& drive = ground->drive;
    if (host::Request* const back = drive.to_finish(); back != nullptr) {
        rings::work_for(owner(*back));
        if (const auto time = drive.finish(*back))
            ground->policy_host.give_work(ground->policy_host.complete(*back, *time));
    } else if (ground->policy_host.asks_again() <= now) {
        rings::work_for(owner(ground->policy_host.oldest()));
        ground->policy_host.give_work(now);
    } else if (const host::Request* const next = drive.to_send(); next != nullptr) {
        rings::work_for(owner(*next));
        drive.send(*next);
    } else {
        return take_left_requests<true>();
    }
    return true;
}

RealTime next_work() {
    const auto& drive = ground->drive;
    if (drive.to_finish() != nullptr || drive.to_send() != nullptr || is_more_left<true>())
        return machine::now();
    const auto looks = drive.at_a_disk() != nullptr ? drive.looks_at() : RealTime::never();
    return std::min(looks, ground->policy_host.asks_again());
}

Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!ground->policy_host.replace(plugin, values))
        return fail(Error::no_memory);
    ground->policy_host.give_work();
    return {};
}

bool open(BlockRing& ring) { return ground->policy_host.open(ring); }
void close(BlockRing& ring) { ground->policy_host.close(ring); }
void tune(RingTenant& tenant) { ground->policy_host.tune(tenant); }
host::Change judge(const plugin::ValueChanges& changes) { return ground->policy_host.judge(changes); }
host::Change change(RingTenant& tenant, const plugin::ValueChanges& changes) {
    return ground->policy_host.change(tenant, changes);
}

void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes,
            std::uint32_t tag) {
    if (is_traced(trace::Event::ring_submit))
        trace_event(trace::Event::ring_submit, *ring.guest,
                    RealWorld::name_of(ring, ground->policy_host.submitted()), bytes);
    ground->policy_host.submit(ring, operation, sector, bytes, tag);
}

} // namespace bulkhead::hv::real_rings
