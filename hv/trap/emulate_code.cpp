// Finding the bytes of the current instruction, and reading and writing registers by number.
#include "hv/trap/emulate_code.hpp"

#include "hv/arch/layout.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trap/trap.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv {
namespace {

constexpr unsigned descriptors_per_page = page_bytes / 8;
constexpr std::uint64_t low_half = 0xffffffff;

// The descriptor that a selector names, from the frames the guest registered.
std::optional<std::uint64_t> descriptor(const Vcpu& vcpu, std::uint64_t selector) {
    const auto index = static_cast<unsigned>((selector & 0xffff) >> 3);
    std::uint64_t value = 0;
    if (selector & 4) {
        if (index >= vcpu.tables.ldt_entries ||
            !machine::copy_from_guest(&value, GuestAddress{vcpu.tables.ldt_base + index * 8}, sizeof value))
            return {};
        return value;
    }
    if (index >= vcpu.tables.gdt_entries || index >= FIRST_RESERVED_GDT_ENTRY)
        return {};
    const auto* entry =
        machine::frame_as<std::uint64_t>(vcpu.tables.gdt_frames[index / descriptors_per_page]) +
        index % descriptors_per_page;
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

// Linear address of `rip`, wrapped as the mode wraps it.
std::uint64_t linear(const CodeSegment& segment, std::uint64_t rip) {
    return segment.long_mode ? rip : (segment.base + rip) & low_half;
}

// Registers in the order of their encoding.
constexpr std::uint64_t Registers::* const by_number[16] = {
    &Registers::rax, &Registers::rcx, &Registers::rdx, &Registers::rbx, &Registers::rsp, &Registers::rbp,
    &Registers::rsi, &Registers::rdi, &Registers::r8,  &Registers::r9,  &Registers::r10, &Registers::r11,
    &Registers::r12, &Registers::r13, &Registers::r14, &Registers::r15};

bool is_high_byte(unsigned number, unsigned bytes, bool rex) {
    return bytes == 1 && !rex && number >= 4 && number < 8;
}

} // namespace

std::optional<CodeSegment> code_segment(const Vcpu& vcpu) {
    const auto selector = vcpu.regs.cs & 0xffff;
    if (selector == FLAT_RING3_CS64)
        return CodeSegment{true, 0};
    if (selector == FLAT_RING3_CS32)
        return CodeSegment{false, 0};
    if (vcpu.domain->pae && (selector == layout::pae_kernel_cs || selector == layout::pae_user_cs))
        return CodeSegment{false, 0};
    const auto found = descriptor(vcpu, selector);
    if (!found)
        return {};
    const auto entry = *found;
    constexpr std::uint64_t code = (std::uint64_t{1} << 43) | (std::uint64_t{1} << 44),
                            present = std::uint64_t{1} << 47;
    constexpr std::uint64_t long_bit = std::uint64_t{1} << 53, wide = std::uint64_t{1} << 54;
    if ((entry & (code | present)) != (code | present) || !(entry & (long_bit | wide)))
        return {};
    const auto base = ((entry >> 16) & 0xffffff) | ((entry >> 56) << 24);
    const bool long_mode = (entry & long_bit) != 0;
    return CodeSegment{long_mode, long_mode ? 0 : static_cast<std::uint32_t>(base)};
}

namespace {

// The bytes on the first page, as many as there are, and those on the second, if it can be read.
[[gnu::noinline]] bool fetch_at_end_of_page(const Vcpu& vcpu, Code& code, std::uint64_t start) {
    const auto in_page = std::min<std::uint64_t>(longest_instruction, page_bytes - start % page_bytes);
    if (!machine::copy_from_guest(code.bytes.data(), GuestAddress{start}, in_page))
        return false;
    const auto rest = longest_instruction - in_page;
    const GuestAddress next{linear(code.segment, vcpu.regs.rip + in_page)};
    const bool whole = rest != 0 && machine::copy_from_guest(code.bytes.data() + in_page, next, rest);
    code.count = whole ? longest_instruction : static_cast<std::uint8_t>(in_page);
    return true;
}

} // namespace

std::optional<Code> fetch(const Vcpu& vcpu) {
    const auto segment = code_segment(vcpu);
    if (!segment)
        return {};
    Code code{{}, longest_instruction, *segment};
    const auto start = linear(*segment, vcpu.regs.rip);
    const bool one_page = start % page_bytes <= page_bytes - sizeof code.bytes;
    if (one_page ? machine::copy_from_guest(code.bytes.data(), GuestAddress{start}, sizeof code.bytes)
                 : fetch_at_end_of_page(vcpu, code, start)) [[likely]]
        return code;
    return {};
}

bool fetch_word(const Vcpu& vcpu, const CodeSegment& segment, std::uint64_t& word) {
    const auto start = linear(segment, vcpu.regs.rip);
    if (start % page_bytes <= page_bytes - sizeof word) [[likely]]
        return machine::copy_from_guest(&word, GuestAddress{start}, sizeof word);
    Code code{{}, longest_instruction, segment};
    if (!fetch_at_end_of_page(vcpu, code, start))
        return false;
    std::memcpy(&word, code.bytes.data(), sizeof word);
    return true;
}

std::uint64_t& general(Registers& regs, unsigned number) { return regs.*by_number[number & 15]; }
std::uint64_t general(const Registers& regs, unsigned number) { return regs.*by_number[number & 15]; }

std::uint64_t read_general(const Registers& regs, unsigned number, unsigned bytes, bool rex) {
    if (is_high_byte(number, bytes, rex))
        return (general(regs, number - 4) >> 8) & 0xff;
    const auto value = general(regs, number);
    return bytes == 8 ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

void write_general(Registers& regs, unsigned number, unsigned bytes, bool rex, std::uint64_t value) {
    const bool high = is_high_byte(number, bytes, rex);
    auto& target = general(regs, high ? number - 4 : number);
    if (bytes >= 4) {
        target = bytes == 8 ? value : value & low_half;
        return;
    }
    const unsigned shift = high ? 8 : 0;
    const auto mask = ((std::uint64_t{1} << (8 * bytes)) - 1) << shift;
    target = (target & ~mask) | ((value << shift) & mask);
}

bool has_flat_operand(const Instruction& instruction) {
    constexpr std::uint8_t fs = 0x64, gs = 0x65;
    return instruction.memory && instruction.segment != fs && instruction.segment != gs;
}

std::uint64_t effective_address(const Vcpu& vcpu, const Instruction& instruction) {
    using Memory = Instruction::Memory;
    const auto place = instruction.memory.value_or(Memory{});
    const Registers& regs = vcpu.regs;
    auto address = static_cast<std::uint64_t>(std::int64_t{place.displacement});
    if (place.rip_relative)
        address += regs.rip + instruction.length;
    if (place.base != Memory::none)
        address += general(regs, place.base);
    if (place.index != Memory::none)
        address += general(regs, place.index) << place.scale;
    if (instruction.address_bytes == 4)
        address &= low_half;
    return address;
}

void finish(Vcpu& vcpu, const CodeSegment& segment, unsigned length) {
    vcpu.regs.rip += length;
    if (!segment.long_mode)
        vcpu.regs.rip &= low_half;
    vcpu.regs.rflags &= ~rflags::resume;
    if (vcpu.regs.rflags & rflags::trap) {
        constexpr std::uint64_t single_step = 1 << 14;
        vcpu.processor.debug[6] |= single_step;
        deliver_exception(vcpu, vector::debug);
    }
}

} // namespace bulkhead::hv
