// Any bytes as code, registers and return frame of a guest: what comes out is a state that may be resumed, or
// a crash of that guest. The input is: a byte of choices, 18 registers, then code (and a frame for iret).
#include "hv/calls/trap.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/emulate_decode.hpp"
#include "tests/unit/traps_world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>

using namespace bulkhead;
using namespace bulkhead::hv;
using test::Guest;

namespace {

using Input = std::span<const std::uint8_t>;

void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
}

template<class T>
T take(Input& input) {
    T value{};
    const auto bytes = std::min(sizeof value, input.size());
    std::copy_n(input.data(), bytes, reinterpret_cast<std::uint8_t*>(&value));
    input = input.subspan(bytes);
    return value;
}

// A decoded instruction lies within what was given, and no shorter part of it is an instruction.
void check_decoder(Input code, bool long_mode) {
    const auto found = decode(code, long_mode);
    if (!found)
        return;
    require(found->length >= 1 && found->length <= longest_instruction && found->length <= code.size(),
            "length");
    const auto again = decode(code.first(found->length), long_mode);
    require(again && again->length == found->length && again->opcode == found->opcode,
            "depends on later bytes");
    require(!decode(code.first(found->length - 1U), long_mode), "shorter than its encoding");
}

// What the hypervisor may load into the processor for a guest.
void check_state(Guest& guest, bool was_in_kernel) {
    const auto& regs = guest.regs();
    if (guest.crash)
        return;
    require((regs.rflags & rflags::interrupt) != 0, "interrupts stay on");
    require((regs.rflags & (rflags::iopl | rflags::vm86)) == 0, "no I/O privilege, no virtual-8086 mode");
    require((regs.cs & 3) == 3 && (regs.ss & 3) == 3 && regs.cs <= 0xffff && regs.ss <= 0xffff, "ring 3");
    require(guest.vcpu().processor.in_kernel == (was_in_kernel != (guest.toggles % 2 != 0)),
            "mode and address space agree");
    require(guest.vcpu().processor.iopl <= 3, "privilege level");
    require(is_canonical(guest.vcpu().processor.fs_base) &&
                is_canonical(guest.vcpu().processor.gs_base_kernel) &&
                is_canonical(guest.vcpu().processor.gs_base_user),
            "bases are canonical");
    for (unsigned i = 0; i < 4; ++i)
        require(is_guest_address(guest.vcpu().processor.debug[i]), "breakpoints are the guest's own");
}

void take_registers(Guest& guest, Input& input) {
    auto& regs = guest.regs();
    for (auto* reg : {&regs.r15, &regs.r14, &regs.r13, &regs.r12, &regs.rbp, &regs.rbx, &regs.r11, &regs.r10,
                      &regs.r9, &regs.r8, &regs.rax, &regs.rcx, &regs.rdx, &regs.rsi, &regs.rdi})
        *reg = take<std::uint64_t>(input);
    const auto flags = take<std::uint64_t>(input);
    constexpr std::uint64_t possible = 0x254dd5; // in ring 3
    regs.rflags = (flags & possible) | rflags::interrupt | rflags::fixed;
    guest.info.evtchn_upcall_mask = static_cast<std::uint8_t>(flags >> 56);
    guest.vcpu().processor.iopl = static_cast<std::uint8_t>(flags >> 60 & 3);
    guest.domain().vm_assist = flags >> 32 & 0x3f;
}

void run_trap(Guest& guest, std::uint8_t choices, Input input) {
    constexpr unsigned vectors[] = {vector::protection, vector::invalid_opcode, vector::page_fault,
                                    vector::breakpoint};
    auto& regs = guest.regs();
    regs.vector = vectors[choices >> 2 & 3];
    regs.error = choices >> 4 & 7;
    if (choices & 0x80)
        regs.cs = FLAT_RING3_CS32;
    // Near the end of a page, so that short code is cut by a page that is not there.
    regs.rip =
        (regs.rip & ~std::uint64_t{page_bytes - 1}) + page_bytes - std::min<std::size_t>(input.size(), 32);
    auto at = regs.rip;
    for (const auto byte : input.first(std::min<std::size_t>(input.size(), 32)))
        guest.poke(at++, byte);
    check_decoder(input, regs.cs != FLAT_RING3_CS32);
    const bool was_in_kernel = guest.vcpu().processor.in_kernel;
    handle_guest_trap(guest.vcpu(), guest.regs().rdi);
    check_state(guest, was_in_kernel);
}

void run_iret(Guest& guest, Input input) {
    if (!guest.vcpu().processor.in_kernel)
        return;
    guest.poke(guest.regs().rsp, take<iret_context>(input));
    HypercallArguments arguments{};
    HypercallContext context{guest.vcpu(), guest.domain(), arguments};
    static_cast<void>(Iret::decode(arguments).run(context));
    check_state(guest, true);
    require(guest.crash || is_canonical(guest.regs().rip), "a canonical rip");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input{data, size};
    Guest guest;
    const auto choices = take<std::uint8_t>(input);
    if (choices & 1)
        guest.in_user_mode();
    take_registers(guest, input);
    if (choices & 2)
        run_iret(guest, input);
    else
        run_trap(guest, choices, input);
    return 0;
}
