// Takes everything that the hypervisor gives to a guest for the asking: frames up to its limit, event
// channels, grant frames. Keeps all of it, and asks again and again in case somebody gave something back.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option pause_us{"pause_us", "us", "1000", "time between two attempts"};
constexpr Option leave{"leave", "1", "0", "frames to give back at once, and then be content"};
constexpr Option options_[] = {pause_us, leave};

constexpr std::uint64_t batch = 64;

std::array<xen_pfn_t, batch> latest{}; // frames of its last full batch

// Frames without a number, so nothing of the guest's own tables grows with them.
std::uint64_t take_frames() {
    std::uint64_t taken = 0;
    for (;;) {
        std::array<xen_pfn_t, batch> frames{};
        xen_memory_reservation call{};
        call.extent_start.p = frames.data();
        call.nr_extents = batch;
        call.domid = DOMID_SELF;
        const auto got = guest::hypercall::memory_op(XENMEM_increase_reservation, &call);
        const auto count = static_cast<std::uint64_t>(got.value_or(0));
        taken += count;
        if (count < batch)
            return taken;
        latest = frames;
    }
}

void give_back(std::uint64_t count) {
    xen_memory_reservation call{};
    call.extent_start.p = latest.data();
    call.nr_extents = std::min(count, batch);
    call.domid = DOMID_SELF;
    static_cast<void>(guest::hypercall::memory_op(XENMEM_decrease_reservation, &call));
}

std::uint64_t take_ports() {
    std::uint64_t taken = 0;
    while (guest::events::allocate_unbound(DomainId{0}))
        ++taken;
    return taken;
}

// One frame more each time, as far as the hypervisor goes.
std::uint64_t grow_grants() {
    constexpr std::uint64_t most = 64;
    std::uint64_t frames = 0;
    std::array<xen_pfn_t, most> list{};
    for (std::uint32_t wanted = 1; wanted <= most; ++wanted) {
        gnttab_setup_table call{};
        call.dom = DOMID_SELF;
        call.nr_frames = wanted;
        call.frame_list.p = list.data();
        if (!guest::hypercall::grant_table_op(GNTTABOP_setup_table, &call, 1) || call.status != GNTST_okay)
            break;
        frames = wanted;
    }
    return frames;
}

void run() {
    std::uint64_t frames = 0, ports = 0, grants = 0;
    for (bool said = false; !over(); guest::sleep(pause_us.microseconds())) {
        if (said && leave.number() != 0)
            continue;
        frames += take_frames();
        ports += take_ports();
        grants = grow_grants();
        if (!said)
            guest::print("drain: {} frames, {} ports, {} grant frames\n", frames, ports, grants);
        said = true;
        give_back(leave.number());
    }
    guest::print("RESULT name=drain frames={} ports={} grants={}\n", frames, ports, grants);
}

constexpr Workload drain{Kind::attack, "drain", "takes all frames, ports and grant frames that it can get",
                         options_, run};
BULKHEAD_WORKLOAD(drain)

} // namespace
} // namespace bulkhead::workload
