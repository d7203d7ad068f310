// The dump of a guest: what a person needs to find out why it died.
#include "hv/domain/dump.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/format.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"
#include "hv/mm/walk.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/trap.hpp"

#include <cstring>
#include <optional>

namespace bulkhead::hv {
namespace {

constexpr const char* exception_names[] = {"#DE divide",
                                           "#DB debug",
                                           "NMI",
                                           "#BP breakpoint",
                                           "#OF overflow",
                                           "#BR bound",
                                           "#UD invalid opcode",
                                           "#NM no device",
                                           "#DF double",
                                           "9",
                                           "#TS task state",
                                           "#NP not present",
                                           "#SS stack",
                                           "#GP protection",
                                           "#PF page fault",
                                           "15",
                                           "#MF x87",
                                           "#AC alignment",
                                           "#MC machine",
                                           "#XF simd"};

const char* exception_name(unsigned vector) {
    return vector < std::size(exception_names) ? exception_names[vector] : "reserved";
}

const char* type_name(FrameType type) {
    constexpr const char* names[] = {"none", "writable", "l1", "l2", "l3", "l4", "descriptors"};
    const auto index = static_cast<std::size_t>(type);
    return index < std::size(names) ? names[index] : "?";
}

// Where a dump's lines go. One that is printed line by line is composed anew for each of its lines, and only
// the wanted one is formatted: so a dump has no text to keep.
class Lines {
  public:
    static constexpr std::uint32_t all = ~std::uint32_t{0};
    explicit Lines(std::uint32_t wanted) : wanted_{wanted} {}
    [[gnu::format(printf, 2, 3)]] void say(const char* format, ...) {
        if (is_wanted()) {
            std::va_list arguments;
            va_start(arguments, format);
            log_arguments(format, arguments);
            va_end(arguments);
        }
        ++said_;
    }
    // Whether the next line is printed: others need not be prepared.
    [[nodiscard]] bool is_wanted() const { return wanted_ == all || said_ == wanted_; }
    [[nodiscard]] std::uint32_t said() const { return said_; }

  private:
    std::uint32_t wanted_;
    std::uint32_t said_ = 0;
};

void dump_general(Lines& lines, const Registers& regs) {
    lines.say("  rip %016lx  cs %04lx  rflags %08lx  rsp %016lx  ss %04lx", regs.rip, regs.cs & 0xffff,
              regs.rflags, regs.rsp, regs.ss & 0xffff);
    lines.say("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", regs.rax, regs.rbx, regs.rcx, regs.rdx);
    lines.say("  rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", regs.rsi, regs.rdi, regs.rbp, regs.r8);
    lines.say("  r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", regs.r9, regs.r10, regs.r11, regs.r12);
    lines.say("  r13 %016lx  r14 %016lx  r15 %016lx", regs.r13, regs.r14, regs.r15);
}

// One level of a page walk: the entry, what it permits, and whose frame of what type it leads to.
void dump_entry(Lines& lines, unsigned level, std::uint64_t entry) {
    if (!entry::is_present(entry))
        return lines.say("    L%u %016lx  not present", level, entry);
    const auto mfn = entry::frame(entry);
    const auto* frame = frame_table().find(mfn);
    if (frame == nullptr)
        return lines.say("    L%u %016lx  frame %lx is no RAM", level, entry, mfn.value());
    lines.say("    L%u %016lx  %c%c  frame %lx of domain %u, type %s with %u uses, %u references%s%s", level,
              entry, entry & entry::user ? 'u' : 's', entry::is_writable(entry) ? 'w' : 'r', mfn.value(),
              unsigned{frame->owner.load().domain().value()}, type_name(frame->type()),
              unsigned{frame->type_references()}, unsigned{frame->references()},
              frame->pinned ? ", pinned" : "", frame->partial() ? ", partial" : "");
}

void dump_walk(Lines& lines, const char* what, Mfn root, std::uint64_t address) {
    if (!is_guest_address(address))
        return lines.say("  page tables for %s %016lx: no address of a guest", what, address);
    lines.say("  page tables for %s %016lx, root frame %lx", what, address, root.value());
    const auto found = walk(root, GuestAddress{address});
    for (unsigned level = 4; level >= 1; --level) {
        const auto entry = found.entries[4 - level];
        dump_entry(lines, level, entry);
        if (!entry::is_present(entry))
            break;
    }
}

// A value in the memory under `root`, found through the guest's page tables: its address space need not be
// loaded. Nothing if it isn't all in one page of RAM.
template<class T>
std::optional<T> read_under(Mfn root, std::uint64_t address) {
    const auto offset = address % page_bytes;
    const auto found = walk(root, GuestAddress{address});
    if (!found.ok() || offset + sizeof(T) > page_bytes ||
        frame_table().find(entry::frame(found.leaf())) == nullptr)
        return {};
    T value;
    std::memcpy(&value, machine::frame_as<std::byte>(entry::frame(found.leaf())) + offset, sizeof value);
    return value;
}

// Up to `count` items from the guest's memory, as one line of hexadecimal numbers.
template<class T>
void dump_memory(Lines& lines, const char* what, Mfn root, std::uint64_t address, unsigned count) {
    char text[200];
    std::size_t used = 0;
    text[0] = 0;
    for (unsigned i = 0; i < count && lines.is_wanted(); ++i) {
        const auto value = read_under<T>(root, address + i * sizeof(T));
        if (!value) {
            used += format_text(text + used, sizeof text - used, " (unreadable)");
            break;
        }
        const auto number = static_cast<unsigned long>(*value);
        used += sizeof(T) == 8 ? format_text(text + used, sizeof text - used, " %016lx", number)
                               : format_text(text + used, sizeof text - used, " %02lx", number);
    }
    lines.say("  %s %016lx:%s", what, address, text);
}

void dump_trace(Lines& lines, const TraceMark& mark) {
    constexpr std::size_t shown = 16;
    const auto records = trace_tail(mark, shown);
    if (!records.empty())
        lines.say("  latest trace records of this pCPU:");
    for (const auto& record : records) {
        const auto* name =
            record.event < trace::descriptions.size() ? trace::descriptions[record.event].name : "?";
        lines.say("    %ld ns  domain %u vcpu %u  %s  %lx %lx", record.time, unsigned{record.domain},
                  unsigned{record.vcpu}, name, record.a, record.b);
    }
}

void dump_exception(Lines& lines, const LastException& exception) {
    const auto* mode = exception.in_kernel ? "kernel" : "user";
    if (exception.vector == vector::page_fault)
        return lines.say(
            "  last exception: %s at rip %016lx in %s mode, error %lx (%s of address %016lx, page %s)",
            exception_name(exception.vector), exception.rip, mode, exception.error,
            exception.error & page_fault::fetch   ? "execution"
            : exception.error & page_fault::write ? "write"
                                                  : "read",
            exception.address, exception.error & page_fault::present ? "present" : "not present");
    lines.say("  last exception: %s at rip %016lx in %s mode, error %lx", exception_name(exception.vector),
              exception.rip, mode, exception.error);
}

// Return addresses along the chain of frame pointers, which every function of the hypervisor keeps. At its
// end is what the guest had in rbp, so only frames of one stack count. Comes last in a dump: if the chain is
// broken, the fault ends the dump and nothing else is lost.
void dump_callers(Lines& lines, std::uint64_t frame) {
    constexpr unsigned deepest = 16;
    for (unsigned i = 0; i < deepest; ++i) {
        if (!in_hypervisor_range(frame) || frame % 8 != 0)
            return;
        const auto* words = reinterpret_cast<const std::uint64_t*>(frame);
        lines.say("    called from %016lx", words[1]);
        // The stack grows downwards, so callers lie above.
        if (words[0] <= frame || words[0] / stack_area_bytes != frame / stack_area_bytes)
            return;
        frame = words[0];
    }
}

void dump_vcpu(Lines& lines, const Dump& dump) {
    const auto& vcpu = *dump.vcpu;
    const auto& exception = dump.exception;
    const auto* events = vcpu.info == nullptr ? "not set up" : events_masked(vcpu) ? "masked" : "unmasked";
    lines.say("  domain %u \"%s\" vcpu %u on pcpu %u, %s mode, events %s, roots: kernel %lx, user %lx",
              unsigned{vcpu.domain->id.value()}, vcpu.domain->name, unsigned{vcpu.id.value()},
              unsigned{vcpu.sched.pcpu.value()}, vcpu.processor.in_kernel ? "kernel" : "user", events,
              vcpu.tables.kernel_root.value(), vcpu.tables.user_root.value());
    if (exception.happened)
        dump_exception(lines, exception);
    dump_general(lines, vcpu.regs);
    lines.say("  fs base %016lx  gs base: kernel %016lx, user %016lx  kernel stack %016lx",
              vcpu.processor.fs_base, vcpu.processor.gs_base_kernel, vcpu.processor.gs_base_user,
              vcpu.entries.kernel_sp);
    const auto root = vcpu.processor.in_kernel ? vcpu.tables.kernel_root : vcpu.tables.user_root;
    dump_walk(lines, "rip", root, vcpu.regs.rip);
    dump_walk(lines, "rsp", root, vcpu.regs.rsp);
    if (exception.happened && exception.vector == vector::page_fault)
        dump_walk(lines, "the fault", root, exception.address);
    dump_memory<std::uint64_t>(lines, "stack", root, vcpu.regs.rsp, 8);
    dump_memory<std::uint8_t>(lines, "code", root, vcpu.regs.rip, 16);
    dump_trace(lines, dump.trace);
}

void print_line(Dump& dump) {
    Lines lines{dump.next_line};
    dump_vcpu(lines, dump);
    if (lines.said() <= dump.next_line++)
        dump = {};
}

} // namespace

void begin_dump(Dump& dump, const Vcpu& vcpu) { dump = {&vcpu, vcpu.last_exception, trace_mark(), 0}; }

bool continue_dump(Dump& dump) {
    while (dump.vcpu != nullptr) {
        if (output_has_room())
            print_line(dump);
        else
            static_cast<void>(pump_output());
        if (machine::should_preempt())
            return dump.vcpu == nullptr;
    }
    return true;
}

void dump_hypervisor(const Registers& regs, std::uint64_t fault_address) {
    Lines lines{Lines::all};
    lines.say("  hypervisor on pcpu %u: %s, error %lx, fault address %016lx",
              unsigned{machine::this_pcpu().value()}, exception_name(static_cast<unsigned>(regs.vector)),
              regs.error, fault_address);
    dump_general(lines, regs);
    if (const auto* vcpu = current_vcpu())
        lines.say("  entered from domain %u vcpu %u at rip %016lx, vector %lx",
                  unsigned{vcpu->domain->id.value()}, unsigned{vcpu->id.value()}, vcpu->regs.rip,
                  vcpu->regs.vector);
    dump_trace(lines, trace_mark());
    dump_callers(lines, regs.rbp);
}

} // namespace bulkhead::hv
