// Validating debug registers: reserved bits take the values that the processor gives them.
#include "hv/trap/emulate_debug_registers.hpp"

#include "hv/domain/domain.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/seams.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t status_ones = 0xffff0ff0, status_settable = 0x0000e00f;
constexpr std::uint64_t control_ones = 0x400, control_settable = 0xffff03ff, general_detect = 1 << 13;
constexpr unsigned breakpoints = 4;

unsigned alias(unsigned number) { return number == 4 || number == 5 ? number + 2 : number; }

// Breakpoint `i` of DR7.
bool is_enabled(std::uint64_t control, unsigned i) { return (control >> (2 * i) & 3) != 0; }
bool is_on_ports(std::uint64_t control, unsigned i) { return (control >> (16 + 4 * i) & 3) == 2; }
std::uint64_t length(std::uint64_t control, unsigned i) {
    constexpr std::uint64_t lengths[] = {1, 2, 8, 4};
    return lengths[control >> (18 + 4 * i) & 3];
}

// Breakpoints on data also strike while the hypervisor copies from or to the guest; the entry path ignores
// them there. Those on ports are a use of the same bits that a kernel must have switched on.
Result<> set_control(Vcpu& vcpu, std::uint64_t value) {
    constexpr std::uint64_t cr4_debugging_extensions = 1 << 3;
    if (value & general_detect)
        return fail(Error::permission);
    for (unsigned i = 0; i < breakpoints; ++i)
        if (is_on_ports(value, i) && (vcpu.processor.cr4 & cr4_debugging_extensions) == 0)
            return fail(Error::permission);
    vcpu.processor.debug[7] = (value & control_settable) | control_ones;
    return {};
}

} // namespace

std::uint64_t hardware_control(std::uint64_t control) {
    for (unsigned i = 0; i < breakpoints; ++i)
        if (is_on_ports(control, i))
            control &= ~(std::uint64_t{3} << (2 * i) | std::uint64_t{15} << (16 + 4 * i));
    return control;
}

std::uint64_t port_breakpoints_hit(const Vcpu& vcpu, std::uint16_t port, unsigned bytes) {
    const auto control = vcpu.processor.debug[7];
    std::uint64_t hit = 0;
    for (unsigned i = 0; i < breakpoints; ++i) {
        const auto first = vcpu.processor.debug[i] & ~(length(control, i) - 1);
        if (is_enabled(control, i) && is_on_ports(control, i) && port < first + length(control, i) &&
            first < std::uint64_t{port} + bytes)
            hit |= std::uint64_t{1} << i;
    }
    return hit;
}

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
        return fail(Error::no_device);
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
