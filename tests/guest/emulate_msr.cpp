// MSRs of a PV kernel: segment bases and EFER read as they are, harmless writes are taken, dangerous ones
// change nothing or are refused with #GP, and unknown ones are #GP.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constexpr std::uint32_t msr_efer = 0xc0000080, msr_lstar = 0xc0000082, msr_fs_base = 0xc0000100,
                               msr_apic = 0x1b;

static std::optional<std::uint64_t> read_msr(std::uint32_t msr) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    if (traps::probe([&] { asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr)); }))
        return std::nullopt;
    return std::uint64_t{high} << 32 | low;
}

static bool write_msr(std::uint32_t msr, std::uint64_t value) {
    const auto low = static_cast<std::uint32_t>(value);
    const auto high = static_cast<std::uint32_t>(value >> 32);
    return !traps::probe([&] { asm volatile("wrmsr" : : "a"(low), "d"(high), "c"(msr)); });
}

GUEST_TEST(emulate_msr, "model-specific registers are guarded") {
    works(hypercall::set_segment_base(SEGBASE_FS, 0x1234000), "set_segment_base");
    check(read_msr(msr_fs_base) == 0x1234000, "FS base reads {x}", read_msr(msr_fs_base).value_or(~0ull));
    check(write_msr(msr_fs_base, 0x5678000), "FS base cannot be written");
    check(read_msr(msr_fs_base) == 0x5678000, "the written FS base reads {x}",
          read_msr(msr_fs_base).value_or(~0ull));
    check(!write_msr(msr_fs_base, 0x800000000000), "an FS base that is not canonical was accepted");
    works(hypercall::set_segment_base(SEGBASE_FS, 0), "set_segment_base");

    const auto efer = read_msr(msr_efer);
    check(efer && (*efer & 0x400) != 0, "EFER reads {x}", efer.value_or(0));
    static_cast<void>(write_msr(msr_efer, 0));
    check(read_msr(msr_efer) == efer, "EFER was changed");
    static_cast<void>(write_msr(msr_lstar, 0x4141));
    check(hypercall::xen_version(XENVER_version, nullptr).has_value(), "hypercalls died with LSTAR");
    static_cast<void>(write_msr(msr_apic, 0));
    check(!read_msr(0x12345678), "an MSR that does not exist can be read");
    check(!write_msr(0x12345678, 1), "an MSR that does not exist can be written");
}
