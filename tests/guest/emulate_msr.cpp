// MSRs of a PV kernel: EFER reads as it is, harmless writes are taken, dangerous ones
// change nothing or are refused with #GP, and unknown ones are #GP.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/msr.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constexpr std::uint32_t msr_efer = 0xc0000080, msr_lstar = 0xc0000082, msr_apic = 0x1b;

GUEST_TEST(emulate_msr, "model-specific registers are guarded") {
    const auto efer = read_msr(msr_efer);
    check(efer && (*efer & 0x400) != 0, "EFER reads {x}", efer.value_or(0));
    static_cast<void>(write_msr(msr_efer, 0));
    check(read_msr(msr_efer) == efer, "EFER was changed");
    static_cast<void>(write_msr(msr_lstar, 0x4141));
    check(hypercall::xen_version(XENVER_version, nullptr).has_value(), "hypercalls died with LSTAR");
    static_cast<void>(write_msr(msr_apic, 0));
    const auto odd = read_msr(0x12345678);
    check(!odd, "an MSR that does not exist reads {x}", odd.value_or(0));
    check(!write_msr(0x12345678, 1), "an MSR that does not exist can be written");
}
