// The dump of a guest: what a person needs to find out why it died.
#include "hv/core/dump.hpp"

#include "hv/arch/machine.hpp"
#include "hv/core/dispatch.hpp"
#include "hv/core/domain.hpp"
#include "hv/core/traps.hpp"
#include "hv/core/traps_address.hpp"
#include "hv/io/console.hpp"
#include "hv/io/format.hpp"
#include "hv/mm/walk.hpp"
#include "hv/trace/trace.hpp"

namespace bulkhead::hv {
namespace {

struct LastException {
    const Vcpu* vcpu;
    std::uint64_t rip, error, address;
    unsigned vector;
    bool in_kernel;
};
LastException last[landmark::max_pcpus];

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

void dump_general(const Registers& regs) {
    log("  rip %016lx  cs %04lx  rflags %08lx  rsp %016lx  ss %04lx", regs.rip, regs.cs & 0xffff, regs.rflags,
        regs.rsp, regs.ss & 0xffff);
    log("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", regs.rax, regs.rbx, regs.rcx, regs.rdx);
    log("  rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", regs.rsi, regs.rdi, regs.rbp, regs.r8);
    log("  r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", regs.r9, regs.r10, regs.r11, regs.r12);
    log("  r13 %016lx  r14 %016lx  r15 %016lx", regs.r13, regs.r14, regs.r15);
}

// One level of a page walk: the entry, what it permits, and whose frame of what type it leads to.
void dump_entry(unsigned level, std::uint64_t entry) {
    if (!entry::is_present(entry))
        return log("    L%u %016lx  not present", level, entry);
    const auto mfn = entry::frame(entry);
    const auto* frame = frame_table().find(mfn);
    if (frame == nullptr)
        return log("    L%u %016lx  frame %lx is no RAM", level, entry, mfn.value());
    log("    L%u %016lx  %c%c  frame %lx of domain %u, type %s with %u uses, %u references%s%s", level, entry,
        entry & entry::user ? 'u' : 's', entry::is_writable(entry) ? 'w' : 'r', mfn.value(),
        unsigned{frame->owner}, type_name(frame->type), unsigned{frame->type_references},
        unsigned{frame->references}, frame->pinned ? ", pinned" : "", frame->partial ? ", partial" : "");
}

void dump_walk(const char* what, Mfn root, std::uint64_t address) {
    if (!is_guest_address(address))
        return log("  page tables for %s %016lx: no address of a guest", what, address);
    log("  page tables for %s %016lx, root frame %lx", what, address, root.value());
    const auto found = walk(root, GuestAddress{address});
    for (unsigned level = 4; level >= 1; --level) {
        const auto entry = found.entries[4 - level];
        dump_entry(level, entry);
        if (!entry::is_present(entry))
            break;
    }
}

// Up to `count` items of `bytes` each from the guest's memory, as one line of hexadecimal numbers.
template<class T>
void dump_memory(const char* what, std::uint64_t address, unsigned count) {
    char text[200];
    std::size_t used = 0;
    text[0] = 0;
    for (unsigned i = 0; i < count; ++i) {
        T value{};
        if (!machine::copy_from_guest(&value, GuestAddress{address + i * sizeof value}, sizeof value)) {
            used += format_text(text + used, sizeof text - used, " (unreadable)");
            break;
        }
        const auto number = static_cast<unsigned long>(value);
        used += sizeof value == 8 ? format_text(text + used, sizeof text - used, " %016lx", number)
                                  : format_text(text + used, sizeof text - used, " %02lx", number);
    }
    log("  %s %016lx:%s", what, address, text);
}

void dump_trace() {
    constexpr std::size_t shown = 16;
    trace::Record records[shown];
    const auto count = trace_tail(records, shown);
    if (count != 0)
        log("  latest trace records of this pCPU:");
    for (std::size_t i = 0; i < count; ++i) {
        const auto& record = records[i];
        const auto* name =
            record.event < trace::descriptions.size() ? trace::descriptions[record.event].name : "?";
        log("    %ld ns  domain %u vcpu %u  %s  %lx %lx", record.time, unsigned{record.domain},
            unsigned{record.vcpu}, name, record.a, record.b);
    }
}

void dump_exception(const LastException& exception) {
    const auto* mode = exception.in_kernel ? "kernel" : "user";
    if (exception.vector == vector::page_fault)
        return log("  last exception: %s at rip %016lx in %s mode, error %lx (%s of address %016lx, page %s)",
                   exception_name(exception.vector), exception.rip, mode, exception.error,
                   exception.error & page_fault::fetch   ? "execution"
                   : exception.error & page_fault::write ? "write"
                                                         : "read",
                   exception.address, exception.error & page_fault::present ? "present" : "not present");
    log("  last exception: %s at rip %016lx in %s mode, error %lx", exception_name(exception.vector),
        exception.rip, mode, exception.error);
}

// Return addresses along the chain of frame pointers, which every function of the hypervisor keeps. Comes
// last in a dump: if the chain is broken, the fault ends the dump and nothing else is lost.
void dump_callers(std::uint64_t frame) {
    constexpr unsigned deepest = 16;
    for (unsigned i = 0; i < deepest; ++i) {
        if (!in_hypervisor_range(frame) || frame % 8 != 0)
            return;
        const auto* words = reinterpret_cast<const std::uint64_t*>(frame);
        log("    called from %016lx", words[1]);
        if (words[0] <= frame) // the stack grows downwards, so callers lie above
            return;
        frame = words[0];
    }
}

} // namespace

void remember_exception(const Vcpu& vcpu, unsigned vector, std::uint64_t error, std::uint64_t fault_address) {
    last[machine::this_pcpu().value()] = {&vcpu, vcpu.regs.rip, error, fault_address, vector, vcpu.in_kernel};
}

void dump_vcpu(const Vcpu& vcpu) {
    const auto& exception = last[machine::this_pcpu().value()];
    const bool has_exception = exception.vcpu == &vcpu;
    const auto* events = vcpu.info == nullptr ? "not set up" : events_masked(vcpu) ? "masked" : "unmasked";
    log("  domain %u \"%s\" vcpu %u on pcpu %u, %s mode, events %s, roots: kernel %lx, user %lx",
        unsigned{vcpu.domain->id.value()}, vcpu.domain->name, unsigned{vcpu.id.value()},
        unsigned{vcpu.pcpu.value()}, vcpu.in_kernel ? "kernel" : "user", events, vcpu.kernel_root.value(),
        vcpu.user_root.value());
    if (has_exception)
        dump_exception(exception);
    dump_general(vcpu.regs);
    log("  fs base %016lx  gs base: kernel %016lx, user %016lx  kernel stack %016lx", vcpu.fs_base,
        vcpu.gs_base_kernel, vcpu.gs_base_user, vcpu.kernel_sp);
    const auto root = vcpu.in_kernel ? vcpu.kernel_root : vcpu.user_root;
    dump_walk("rip", root, vcpu.regs.rip);
    dump_walk("rsp", root, vcpu.regs.rsp);
    if (has_exception && exception.vector == vector::page_fault)
        dump_walk("the fault", root, exception.address);
    if (current_vcpu() == &vcpu) {
        dump_memory<std::uint64_t>("stack", vcpu.regs.rsp, 8);
        dump_memory<std::uint8_t>("code", vcpu.regs.rip, 16);
    }
    dump_trace();
}

void dump_hypervisor(const Registers& regs, std::uint64_t fault_address) {
    log("  hypervisor on pcpu %u: %s, error %lx, fault address %016lx",
        unsigned{machine::this_pcpu().value()}, exception_name(static_cast<unsigned>(regs.vector)),
        regs.error, fault_address);
    dump_general(regs);
    if (const auto* vcpu = current_vcpu())
        log("  entered from domain %u vcpu %u at rip %016lx, vector %lx", unsigned{vcpu->domain->id.value()},
            unsigned{vcpu->id.value()}, vcpu->regs.rip, vcpu->regs.vector);
    dump_trace();
    dump_callers(regs.rbp);
}

} // namespace bulkhead::hv
