// The dump of a guest: what a person needs to find out why it died.
#include "hv/core/dump.hpp"

#include "hv/arch/machine.hpp"
#include "hv/core/dispatch.hpp"
#include "hv/core/domain.hpp"
#include "hv/core/traps_address.hpp"
#include "hv/io/console.hpp"
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
    log("  rip %016lx  cs %04lx  rflags %08lx  rsp %016lx  ss %04lx\n", regs.rip, regs.cs & 0xffff,
        regs.rflags, regs.rsp, regs.ss & 0xffff);
    log("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", regs.rax, regs.rbx, regs.rcx, regs.rdx);
    log("  rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n", regs.rsi, regs.rdi, regs.rbp, regs.r8);
    log("  r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n", regs.r9, regs.r10, regs.r11, regs.r12);
    log("  r13 %016lx  r14 %016lx  r15 %016lx\n", regs.r13, regs.r14, regs.r15);
}

void dump_frame(std::uint64_t entry) {
    if (!entry::is_present(entry))
        return log("    %016lx  not present\n", entry);
    const auto* frame = frame_table().find(entry::frame(entry));
    if (frame == nullptr)
        return log("    %016lx  no RAM\n", entry);
    log("    %016lx  %c%c  frame of d%u, type %s x%u, %u references%s\n", entry,
        entry & entry::user ? 'u' : 's', entry::is_writable(entry) ? 'w' : 'r', frame->owner,
        type_name(frame->type), frame->type_references, frame->references, frame->partial ? ", partial" : "");
}

void dump_walk(const char* what, Mfn root, std::uint64_t address) {
    log("  page tables for %s %016lx, root frame %lx\n", what, address, root.value());
    const auto found = walk(root, GuestAddress{address});
    for (const auto entry : found.entries) {
        dump_frame(entry);
        if (!entry::is_present(entry))
            break;
    }
}

void dump_stack(std::uint64_t rsp) {
    log("  stack");
    for (unsigned i = 0; i < 8; ++i) {
        std::uint64_t word = 0;
        if (!machine::copy_from_guest(&word, GuestAddress{rsp + i * 8}, sizeof word)) {
            log(" (unreadable)");
            break;
        }
        log(" %016lx", word);
    }
    log("\n");
}

void dump_code(std::uint64_t rip) {
    log("  code");
    for (unsigned i = 0; i < 16; ++i) {
        std::uint8_t byte = 0;
        if (!machine::copy_from_guest(&byte, GuestAddress{rip + i}, 1)) {
            log(" (unreadable)");
            break;
        }
        log(" %02x", byte);
    }
    log("\n");
}

void dump_trace() {
    constexpr std::size_t shown = 16;
    trace::Record records[shown];
    const auto count = trace_tail(records, shown);
    if (count != 0)
        log("  latest trace records of this pCPU\n");
    for (std::size_t i = 0; i < count; ++i) {
        const auto& record = records[i];
        const auto* name =
            record.event < trace::descriptions.size() ? trace::descriptions[record.event].name : "?";
        log("    %llu ns  d%u v%u  %s  %lx %lx\n", static_cast<unsigned long long>(record.time),
            record.domain, record.vcpu, name, record.a, record.b);
    }
}

void dump_exception(const LastException& exception) {
    log("  last exception: %s, error %lx, at rip %016lx in %s mode", exception_name(exception.vector),
        exception.error, exception.rip, exception.in_kernel ? "kernel" : "user");
    if (exception.vector == 14)
        log(", address %016lx", exception.address);
    log("\n");
}

} // namespace

void remember_exception(const Vcpu& vcpu, unsigned vector, std::uint64_t error, std::uint64_t fault_address) {
    last[machine::this_pcpu().value()] = {&vcpu, vcpu.regs.rip, error, fault_address, vector, vcpu.in_kernel};
}

void dump_vcpu(const Vcpu& vcpu) {
    const auto& exception = last[machine::this_pcpu().value()];
    const bool has_exception = exception.vcpu == &vcpu;
    log("  domain %u \"%s\" vcpu %u on pcpu %u, %s mode, events %s, roots: kernel %lx, user %lx\n",
        vcpu.domain->id.value(), vcpu.domain->name, vcpu.id.value(), vcpu.pcpu.value(),
        vcpu.in_kernel ? "kernel" : "user",
        vcpu.info == nullptr            ? "?"
        : vcpu.info->evtchn_upcall_mask ? "masked"
                                        : "unmasked",
        vcpu.kernel_root.value(), vcpu.user_root.value());
    if (has_exception)
        dump_exception(exception);
    dump_general(vcpu.regs);
    log("  ds %04x  es %04x  fs %04x %016lx  gs %04x kernel %016lx user %016lx\n", vcpu.ds, vcpu.es, vcpu.fs,
        vcpu.fs_base, vcpu.gs, vcpu.gs_base_kernel, vcpu.gs_base_user);
    const auto root = vcpu.in_kernel ? vcpu.kernel_root : vcpu.user_root;
    dump_walk("rip", root, vcpu.regs.rip);
    dump_walk("rsp", root, vcpu.regs.rsp);
    if (has_exception && exception.vector == 14)
        dump_walk("fault", root, exception.address);
    if (current_vcpu() == &vcpu) {
        dump_stack(vcpu.regs.rsp);
        dump_code(vcpu.regs.rip);
    }
    dump_trace();
}

void dump_hypervisor(const Registers& regs, std::uint64_t fault_address) {
    log("  hypervisor: %s, error %lx, fault address %016lx, pcpu %u\n",
        exception_name(static_cast<unsigned>(regs.vector)), regs.error, fault_address,
        machine::this_pcpu().value());
    dump_general(regs);
    if (is_canonical(regs.rsp) && in_hypervisor_range(regs.rsp) && regs.rsp % 8 == 0) {
        const auto* words = reinterpret_cast<const std::uint64_t*>(regs.rsp);
        log("  stack");
        for (unsigned i = 0; i < 8; ++i)
            log(" %016lx", words[i]);
        log("\n");
    }
    dump_trace();
}

} // namespace bulkhead::hv
