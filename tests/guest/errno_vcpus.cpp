// The errno of calls that concern vCPUs, row by row.
#include "guest/runtime/paging.hpp"
#include "tests/guest/errno.hpp"

#include <xen/callback.h>
#include <xen/physdev.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constinit Page* page = nullptr;

long call(unsigned command, unsigned vcpu, const void* argument) {
    return hypercall::raw(__HYPERVISOR_vcpu_op, command, vcpu, hypercall::address(argument));
}
long register_info(std::uint64_t frame, std::uint32_t offset) {
    const vcpu_register_vcpu_info request{.mfn = frame, .offset = offset, .rsvd = 0};
    return call(VCPUOP_register_vcpu_info, 0, &request);
}
long poll(unsigned ports, evtchn_port_t port) {
    sched_poll request{};
    request.ports.p = &port;
    request.nr_ports = ports;
    request.timeout = 1;
    return hypercall::raw(__HYPERVISOR_sched_op, SCHEDOP_poll, hypercall::address(&request));
}
long set_iopl(unsigned level) {
    physdev_set_iopl request{.iopl = level};
    return hypercall::raw(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, hypercall::address(&request));
}

constexpr ErrnoRow rows[] = {
    {"vcpu_op", "no such vCPU", BULKHEAD_FAILS(ENOENT), [] { return call(VCPUOP_is_up, 500, nullptr); }},
    {"vcpu_op", "an unknown command", BULKHEAD_FAILS(ENOSYS), [] { return call(99, 0, nullptr); }},
    {"VCPUOP_initialise", "a vCPU that is initialised", BULKHEAD_FAILS(EEXIST),
     [] {
         static vcpu_guest_context_t context;
         return call(VCPUOP_initialise, 0, &context);
     }},
    {"VCPUOP_get_runstate_info", "the argument cannot be written", BULKHEAD_FAILS(EFAULT),
     [] { return call(VCPUOP_get_runstate_info, 0, unreadable<void>()); }},
    {"VCPUOP_register_runstate_memory_area", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return call(VCPUOP_register_runstate_memory_area, 0, unreadable<void>()); }},
    {"VCPUOP_register_vcpu_time_memory_area", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return call(VCPUOP_register_vcpu_time_memory_area, 0, unreadable<void>()); }},
    {"VCPUOP_register_vcpu_info", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return call(VCPUOP_register_vcpu_info, 0, unreadable<void>()); }},
    {"VCPUOP_register_vcpu_info", "a place across two pages", BULKHEAD_FAILS(ENXIO),
     [] { return register_info(mfn_of(page).value(), page_bytes - 8); }},
    {"VCPUOP_register_vcpu_info", "a frame that is not RAM", BULKHEAD_FAILS(EINVAL),
     [] { return register_info(no_frame, 0); }},
    {"VCPUOP_register_vcpu_info", "a page table", BULKHEAD_FAILS(EINVAL),
     [] { return register_info(kernel_root().value(), 0); }},
    {"VCPUOP_set_periodic_timer", "a period below 1 ms", BULKHEAD_FAILS(EINVAL),
     [] {
         const vcpu_set_periodic_timer request{.period_ns = 999'999};
         return call(VCPUOP_set_periodic_timer, 0, &request);
     }},
    {"VCPUOP_set_periodic_timer", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return call(VCPUOP_set_periodic_timer, 0, unreadable<void>()); }},
    {"VCPUOP_set_singleshot_timer", "a time that is past: it fires at once", BULKHEAD_WORKS,
     [] {
         const vcpu_set_singleshot_timer request{.timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future};
         return call(VCPUOP_set_singleshot_timer, 0, &request);
     }},
    {"VCPUOP_send_nmi", "an argument", BULKHEAD_FAILS(EINVAL), [] { return call(VCPUOP_send_nmi, 0, page); }},
    {"sched_op", "an unknown command", BULKHEAD_FAILS(ENOSYS),
     [] { return hypercall::raw(__HYPERVISOR_sched_op, 99, 0); }},
    {"SCHEDOP_poll", "more than 128 ports", BULKHEAD_FAILS(EINVAL), [] { return poll(129, 1); }},
    {"SCHEDOP_poll", "a port beyond the ABI", BULKHEAD_FAILS(EINVAL), [] { return poll(1, 0x7fffffff); }},
    {"SCHEDOP_poll", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return hypercall::raw(__HYPERVISOR_sched_op, SCHEDOP_poll, hypervisor_memory); }},
    {"set_trap_table", "the table cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return hypercall::raw(__HYPERVISOR_set_trap_table, hypervisor_memory); }},
    {"CALLBACKOP_register", "an unknown type", BULKHEAD_FAILS(ENOSYS),
     [] {
         callback_register request{.type = 99, .flags = 0, .address = callback_at(0x1000)};
         return hypercall::raw(__HYPERVISOR_callback_op, CALLBACKOP_register, hypercall::address(&request));
     }},
    {"set_debugreg", "DR9", BULKHEAD_FAILS(ENODEV),
     [] { return hypercall::raw(__HYPERVISOR_set_debugreg, 9, 0); }},
    {"set_debugreg", "DR7's general-detect bit", BULKHEAD_FAILS(EPERM),
     [] { return hypercall::raw(__HYPERVISOR_set_debugreg, 7, 0x2400); }},
    {"PHYSDEVOP_set_iopl", "level 4", BULKHEAD_FAILS(EINVAL), [] { return set_iopl(4); }},
    {"physdev_op", "an unknown command", BULKHEAD_FAILS(ENOSYS),
     [] { return hypercall::raw(__HYPERVISOR_physdev_op, 99, 0); }},
};

} // namespace

GUEST_TEST(errno_vcpus, "calls that concern vCPUs fail with the documented errno") {
    page = allocate_pages();
    check_errnos(rows);
    free_pages(page);
}
