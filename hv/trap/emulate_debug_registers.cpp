// Validating debug registers: reserved bits take the values that the processor gives them.
#include "hv/trap/emulate_debug_registers.hpp"

#include "hv/domain/domain.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/seams.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t status_ones = 0xffff0ff0, status_settable = 0x0000e00f;
constexpr std::uint64_t control_ones = 0x400, control_settable = 0xffff03ff, general_detect = 1 << 13;

unsigned alias(unsigned number) { return number == 4 || number == 5 ? number + 2 : number; }

// Breakpoints on ports mean nothing to a guest. Those on data also strike while the hypervisor copies from or
// to the guest; the entry path ignores them there.
Result<> set_control(Vcpu& vcpu, std::uint64_t value) {
    constexpr std::uint64_t on_ports = 2;
    if (value & general_detect)
        return fail(Error::permission);
    for (unsigned i = 0; i < 4; ++i)
        if ((value >> (16 + 4 * i) & 3) == on_ports)
            return fail(Error::permission);
    vcpu.processor.debug[7] = (value & control_settable) | control_ones;
    return {};
}

} // namespace

Result<> set_debug_register(Vcpu& vcpu, unsigned number, std::uint64_t value) {
    switch (alias(number)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (!is_guest_address(value))
            return fail(Error::permission);
        vcpu.processor.debug[number] = value;
        break;
    case 6:
        vcpu.processor.debug[6] = (value & status_settable) | status_ones;
        return {};
    case 7:
        BULKHEAD_TRY(set_control(vcpu, value));
        break;
    default:
        return fail(Error::invalid);
    }
    load_debug_registers(vcpu);
    return {};
}

Result<std::uint64_t> get_debug_register(const Vcpu& vcpu, unsigned number) {
    if (number > 7)
        return fail(Error::invalid);
    const auto which = alias(number);
    const auto value = vcpu.processor.debug[which];
    return which == 6 ? value | status_ones : which == 7 ? value | control_ones : value;
}

} // namespace bulkhead::hv
