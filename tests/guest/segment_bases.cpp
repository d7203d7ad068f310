// set_segment_base: FS and both GS bases take effect, survive blocking, and refuse addresses that are not
// canonical or are the hypervisor's. FS's MSR shows the same base.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/msr.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constexpr std::uint32_t msr_fs_base = 0xc0000100;

static std::uint64_t through_fs() {
    std::uint64_t value = 0;
    asm volatile("mov %%fs:0, %0" : "=r"(value) : : "memory");
    return value;
}
static std::uint64_t through_gs() {
    std::uint64_t value = 0;
    asm volatile("mov %%gs:0, %0" : "=r"(value) : : "memory");
    return value;
}

GUEST_TEST(segment_bases, "FS and GS bases are set, kept and checked") {
    static constinit std::uint64_t words[2] = {0xf5, 0x65};
    works(hypercall::set_segment_base(SEGBASE_FS, hypercall::address(&words[0])), "FS");
    works(hypercall::set_segment_base(SEGBASE_GS_KERNEL, hypercall::address(&words[1])), "GS");
    check(through_fs() == 0xf5 && through_gs() == 0x65, "the bases did not take effect");
    sleep(milliseconds(2));
    check(through_fs() == 0xf5 && through_gs() == 0x65, "the bases did not survive blocking");
    works(hypercall::set_segment_base(SEGBASE_GS_USER, 0x7000), "GS of user mode");
    check(through_gs() == 0x65, "the user's GS base changed the kernel's");
    refused(hypercall::set_segment_base(SEGBASE_FS, 0x800000000000), "a base that is not canonical");
    refused(hypercall::set_segment_base(99, 0), "an unknown base");
    works(hypercall::set_segment_base(SEGBASE_FS, 0), "FS back");
    works(hypercall::set_segment_base(SEGBASE_GS_KERNEL, 0), "GS back");
}

GUEST_TEST(segment_base_msr, "FS's base is read and written through its MSR") {
    works(hypercall::set_segment_base(SEGBASE_FS, 0x1234000), "set_segment_base");
    check(read_msr(msr_fs_base) == 0x1234000, "FS base reads {x}", read_msr(msr_fs_base).value_or(~0ull));
    check(write_msr(msr_fs_base, 0x5678000), "FS base cannot be written");
    check(read_msr(msr_fs_base) == 0x5678000, "the written FS base reads {x}",
          read_msr(msr_fs_base).value_or(~0ull));
    check(!write_msr(msr_fs_base, 0x800000000000), "an FS base that is not canonical was accepted");
    works(hypercall::set_segment_base(SEGBASE_FS, 0), "set_segment_base");
}
