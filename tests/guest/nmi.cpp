// Non-maskable interrupts that a vCPU sends: delivered at once, with events masked while the handler runs,
// even if they are masked already. One that is sent by the handler comes after the handler's iret.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

struct Seen {
    unsigned count = 0, nested = 0, depth = 0;
    bool unmasked = false, refused = false;
};
constinit Seen seen{};
constinit unsigned to_send = 0; // by the handler, to itself

Result<long> send(std::uint64_t argument = 0, unsigned vcpu = 0) {
    return hypercall::vcpu_op(VCPUOP_send_nmi, vcpu, reinterpret_cast<void*>(argument));
}

bool on_nmi(traps::Frame&) {
    seen.nested += seen.depth++ != 0;
    ++seen.count;
    seen.unmasked = seen.unmasked || shared().vcpu_info[0].evtchn_upcall_mask == 0;
    if (to_send > 0) {
        --to_send;
        seen.refused = seen.refused || !send();
    }
    --seen.depth;
    return true;
}

} // namespace

GUEST_TEST(nmi, "a vCPU can be sent non-maskable interrupts") {
    refused(send(0x1000), Error::invalid, "an argument");
    refused(send(0, 500), Error::no_entry, "vCPU 500");
    traps::on(traps::Vector::nmi, on_nmi);
    works(send(), "send_nmi");
    check(seen.count == 1, "{} handlers ran after one was sent", seen.count);
    {
        const events::Masked masked;
        works(send(), "send_nmi with events masked");
        check(seen.count == 2, "masked events held it back");
        check(shared().vcpu_info[0].evtchn_upcall_mask != 0, "its return opened the events");
    }
    to_send = 3;
    works(send(), "send_nmi to a handler that sends more");
    check(seen.count == 6, "{} handlers ran instead of 6", seen.count);
    check(seen.nested == 0, "{} handlers ran inside another", seen.nested);
    check(!seen.unmasked, "events were open in the handler");
    check(!seen.refused, "the handler could send none");
}
