// Repeats the longest memory calls there are: a tree of page tables is pinned and unpinned, or a vCPU is
// initialised with all traps and descriptor pages that a context can have and a root that is none, so that
// the call fails at its end.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/vcpus.hpp"
#include "workloads/workload.hpp"

#include <xen/vcpu.h>

namespace bulkhead::workload {
namespace {

constexpr Option calls{"calls", "text", "pin", "pin, or initialise, which needs a second vCPU"};
constexpr Option options_[] = {calls};

constexpr std::size_t entries = 512, leaf_tables = 8, gdt_pages = 14;

[[nodiscard]] bool make_read_only(const guest::Page* first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (!guest::protect(first + i, guest::pte::read_only))
            return false;
    return true;
}

// An L2 with full L1 tables; the frame of the L2, none if the hypervisor refused.
std::optional<Mfn> build_tree() {
    auto* const tables = guest::allocate_pages(1 + leaf_tables);
    const auto* const data = guest::allocate_pages();
    auto* const upper = reinterpret_cast<std::uint64_t*>(tables);
    for (std::size_t i = 1; i <= leaf_tables; ++i) {
        upper[i] = guest::pte::make(guest::mfn_of(tables + i), guest::pte::table);
        for (std::size_t n = 0; n < entries; ++n)
            reinterpret_cast<std::uint64_t*>(tables + i)[n] =
                guest::pte::make(guest::mfn_of(data), guest::pte::read_only);
    }
    if (!make_read_only(tables, 1 + leaf_tables))
        return std::nullopt;
    return guest::mfn_of(tables);
}

bool pin_once(Mfn tree) {
    return guest::hypercall::mmuext(MMUEXT_PIN_L2_TABLE, tree.value()) &&
           guest::hypercall::mmuext(MMUEXT_UNPIN_TABLE, tree.value());
}

vcpu_guest_context_t& greedy_context() {
    static vcpu_guest_context_t context; // over 5 kB
    const auto code = guest::hypercall::address(&context);
    guest::set_start(context.user_regs, code, 0);
    context.user_regs.cs = FLAT_KERNEL_CS;
    for (unsigned i = 0; i < std::size(context.trap_ctxt); ++i)
        context.trap_ctxt[i] = {
            .vector = static_cast<std::uint8_t>(i), .flags = 0, .cs = FLAT_KERNEL_CS, .address = code};
    auto* const descriptors = guest::allocate_pages(gdt_pages);
    static_cast<void>(make_read_only(descriptors, gdt_pages));
    for (std::size_t i = 0; i < gdt_pages; ++i)
        context.gdt_frames[i] = guest::mfn_of(descriptors + i).value();
    context.gdt_ents = gdt_pages * entries;
    context.ctrlreg[3] = xen_pfn_to_cr3(guest::mfn_of(guest::allocate_pages()).value()); // a page of data
    return context;
}

void repeat_pins() {
    const auto tree = build_tree();
    std::uint64_t done = 0, refused = 0;
    for (; tree && !over(); ++done)
        refused += pin_once(*tree) ? 0 : 1;
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=table_storm pins={} refused={}\n", done, refused);
}

void repeat_initialise() {
    auto& context = greedy_context();
    std::uint64_t done = 0, accepted = 0;
    for (; !over(); ++done)
        accepted += guest::hypercall::vcpu_op(VCPUOP_initialise, 1, &context) ? 1 : 0;
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=table_storm initialises={} accepted={}\n", done, accepted);
}

void run() {
    if (calls.text() == "initialise")
        repeat_initialise();
    else
        repeat_pins();
}

constexpr Workload table_storm{Kind::attack, "table_storm",
                               "repeats the longest calls that change page tables and contexts", options_,
                               run};
BULKHEAD_WORKLOAD(table_storm)

} // namespace
} // namespace bulkhead::workload
