// The structures of abi/ as numpy types: offsets and sizes are the compiler's. A test checks that no byte of
// a structure is left without a field, so a field added to a header cannot be forgotten here.
#include "abi/capture.hpp"
#include "abi/landmark.hpp"
#include "abi/manifest.hpp"
#include "abi/steering.hpp"
#include "abi/trace.hpp"
#include "bindings/native/parts.hpp"

#include <pybind11/numpy.h>

namespace bulkhead::python {
namespace {

void register_manifest() {
    using namespace manifest;
    using plugin::ValueChanges;
    PYBIND11_NUMPY_DTYPE(ValueChanges, kind, count, keys, values);
    PYBIND11_NUMPY_DTYPE(Span, offset, bytes);
    PYBIND11_NUMPY_DTYPE(Guest, name, kernel, initrd, cmdline, memory_bytes, max_memory_bytes, vcpus, weight,
                         cap, time_mode, dilation, on_crash, start_paused, absent, start, release, group,
                         sched_values, memory_values, ring_values);
    PYBIND11_NUMPY_DTYPE(Placement, guest, vcpu, affinity, preferred);
    PYBIND11_NUMPY_DTYPE(Disk, guest, device, bytes, module, read_only, slot, reserved);
    PYBIND11_NUMPY_DTYPE(Drive, request, seek, bytes_per_us, depth, unbilled, flush, stroke, program, erase,
                         erase_bytes, channels, reserved);
    PYBIND11_NUMPY_DTYPE(Interface, guest, index, network, captured, mac);
    PYBIND11_NUMPY_DTYPE(Network, packet, bytes_per_us, link_bytes_per_us, delay, buffer, reserved);
    PYBIND11_NUMPY_DTYPE(TimelineEntry, at, action, target, argument, changes);
    PYBIND11_NUMPY_DTYPE(Policy, kind, parameter_count, object, parameters, name);
    PYBIND11_NUMPY_DTYPE(Header, magic, version, header_bytes, total_bytes, seed, duration, wall_clock,
                         clock_hz, trace_bytes, memory_period, memory_frames, trace_mask, guest_count,
                         timeline_count, policy_count, console_rate, end_when_idle, dom0_kernel, dom0_cmdline,
                         dom0_memory_bytes, dom0_affinity, dom0_weight, terminal, pcpus, drained, parallel,
                         disk_count, dom0_sched_values, guests, timeline, policies, disks, drive, interfaces,
                         interface_count, dom0_share, network, placements, placement_count, guard,
                         no_linear_tables, memory_samples, memory_force, uplink_slot, uplink_network,
                         memory_zones, memory_colours);
}

void register_landmark() {
    using namespace landmark;
    PYBIND11_NUMPY_DTYPE(TraceRing, physical, capacity, written, lost, drained);
    PYBIND11_NUMPY_DTYPE(DiskContents, physical, bytes);
    PYBIND11_NUMPY_DTYPE(RingUse, requests, bytes, waiting_ns, throttled_ns);
    PYBIND11_NUMPY_DTYPE(LedgerEntry, domain, state, weight, name, guest_ns, hypervisor_ns, waiting_ns,
                         blocked_ns, hypercalls, traps, events_sent, wakes, run_ins, frames_owned,
                         frames_peak, shutdown_reason, withheld, console_bytes, copied_bytes, refreshed,
                         trace_lost, disks, networks);
    PYBIND11_NUMPY_DTYPE(PcpuLedger, start, end, guest_ns, hypervisor_ns, idle_ns, unbilled_ns);
    PYBIND11_NUMPY_DTYPE(NonPreemptibleSection, ns, kind, number, domain, pcpu, reserved);
    PYBIND11_NUMPY_DTYPE(PolicyReport, name, kind, ejected, hook, parameter_count, ejected_at, parameters,
                         hook_calls, hook_ns, hook_max_ns, why);
    PYBIND11_NUMPY_DTYPE(Page, magic, version, state, exit_status, pcpus, clock_hz, clock_origin, now,
                         started, ram_frames, free_frames, free_frames_at_boot, audit_runs, audit_failures,
                         ledger_physical, ledger_capacity, ledger_used, seed, drains, draining, reserved,
                         disks_physical, message, r_max, policies, rings, pcpu_ledgers);
}

void register_steering() {
    using namespace steering;
    PYBIND11_NUMPY_DTYPE(Order, entry, parameters, done_at, result);
    PYBIND11_NUMPY_DTYPE(Head, stops, at, played, count);
    PYBIND11_NUMPY_DTYPE(Page, head, orders);
}

void register_capture() {
    using namespace capture;
    PYBIND11_NUMPY_DTYPE(Page, packets, physical, bytes, interface, switched, at);
}

} // namespace

namespace {

pybind11::dict make_layouts() {
    register_manifest();
    register_landmark();
    register_steering();
    register_capture();
    using trace::Record;
    PYBIND11_NUMPY_DTYPE(Record, time, event, domain, vcpu, pcpu, a, b);

    pybind11::dict layouts;
    layouts["manifest.Header"] = pybind11::dtype::of<manifest::Header>();
    layouts["manifest.Guest"] = pybind11::dtype::of<manifest::Guest>();
    layouts["manifest.TimelineEntry"] = pybind11::dtype::of<manifest::TimelineEntry>();
    layouts["manifest.Placement"] = pybind11::dtype::of<manifest::Placement>();
    layouts["manifest.Disk"] = pybind11::dtype::of<manifest::Disk>();
    layouts["manifest.Interface"] = pybind11::dtype::of<manifest::Interface>();
    layouts["manifest.Policy"] = pybind11::dtype::of<manifest::Policy>();
    layouts["landmark.Page"] = pybind11::dtype::of<landmark::Page>();
    layouts["landmark.LedgerEntry"] = pybind11::dtype::of<landmark::LedgerEntry>();
    layouts["landmark.DiskContents"] = pybind11::dtype::of<landmark::DiskContents>();
    layouts["steering.Page"] = pybind11::dtype::of<steering::Page>();
    layouts["capture.Page"] = pybind11::dtype::of<capture::Page>();
    layouts["trace.Record"] = pybind11::dtype::of<trace::Record>();
    return layouts;
}

} // namespace

// numpy takes longer to load than all the rest of a short command, so it is loaded when the first layout is
// asked for. Never freed: the interpreter may be gone before this module is.
const pybind11::dict& layouts() {
    static const auto* const made = new pybind11::dict{make_layouts()};
    return *made;
}

void add_layouts(pybind11::module_& module) {
    module.def("layouts", &layouts, "numpy types of the structures of abi/, by name");
}

} // namespace bulkhead::python
