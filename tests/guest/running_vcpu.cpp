// An event or a non-maskable interrupt for a vCPU that runs on another pCPU interrupts it: it does not wait
// until that vCPU's slice is over.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/vcpus.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

#include <xen/callback.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

extern "C" {
void running_vcpu_event();
void running_vcpu_nmi();
constinit vcpu_info* running_vcpu_info = nullptr;
constinit volatile Word running_vcpu_events = 0, running_vcpu_nmis = 0;
}

namespace {

constexpr Nanos prompt = microseconds(500);
constinit volatile bool ready = false;

void set_callback(unsigned type, void (*entry)()) {
    callback_register call{};
    call.type = static_cast<std::uint16_t>(type);
    call.address = callback_at(entry);
    static_cast<void>(hypercall::callback_op(CALLBACKOP_register, &call));
}

void spin() {
    set_callback(CALLBACKTYPE_event, running_vcpu_event);
    set_callback(CALLBACKTYPE_nmi, running_vcpu_nmi);
    running_vcpu_info->evtchn_upcall_mask = 0;
    ready = true;
    for (;;)
        asm volatile("pause");
}

template<class Send>
void expect_prompt(const volatile Word& counter, Send send, std::string_view what) {
    const auto before = counter;
    const auto sent = now();
    works(send(), what);
    while (counter == before && now() < sent + milliseconds(200))
        asm volatile("pause");
    const auto took = now() - sent;
    check(counter == before + 1, "{} came {} times", what, counter - before);
    check(took < prompt, "{} took {} ns", what, took.count());
}

} // namespace

GUEST_TEST_ALONE(running_vcpu, "a vCPU that runs on another pCPU gets its events at once") {
    if (vcpu_count() < 2)
        skip("this domain has one vCPU");
    running_vcpu_info = &shared().vcpu_info[1];
    evtchn_bind_ipi bind{.vcpu = 1, .port = 0};
    works(hypercall::event_channel_op(EVTCHNOP_bind_ipi, &bind), "bind_ipi");
    works(start_vcpu(VcpuId{1}, spin), "starting vCPU 1");
    const auto give_up = now() + milliseconds(100);
    while (!ready && now() < give_up)
        sleep(milliseconds(1));
    check(ready, "vCPU 1 does not run");
    sleep(milliseconds(1)); // it is in the middle of a slice
    expect_prompt(
        running_vcpu_nmis, [] { return hypercall::vcpu_op(VCPUOP_send_nmi, 1, nullptr); }, "an NMI");
    expect_prompt(running_vcpu_events, [&] { return events::notify(Port{bind.port}); }, "an event");
}
