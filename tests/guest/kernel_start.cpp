// What a kernel does as it starts, in one go: every entry is registered, each by the call of its own,
// the descriptor table is the kernel's, and then exceptions, system calls, events and segments work.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/user_code.hpp"
#include "tests/guest/width.hpp"

#include <xen/callback.h>
#include <xen/physdev.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

extern "C" void entry_event(), entry_failsafe(), entry_syscall(), entry_sysenter(), trap_2();

namespace {

struct Entry {
    unsigned type;
    std::uint16_t flags;
    void (*address)();
};
constexpr Entry entries[] = {
    {CALLBACKTYPE_event, 0, entry_event},
    {CALLBACKTYPE_failsafe, CALLBACKF_mask_events, entry_failsafe},
#ifndef __i386__
    {CALLBACKTYPE_syscall, CALLBACKF_mask_events, entry_syscall},
    {CALLBACKTYPE_syscall32, CALLBACKF_mask_events, entry_syscall},
    {CALLBACKTYPE_sysenter, CALLBACKF_mask_events, entry_sysenter},
#endif
    {CALLBACKTYPE_nmi, 0, trap_2},
};

void register_entries() {
    for (const Entry& entry : entries) {
        callback_register call{};
        call.type = static_cast<std::uint16_t>(entry.type);
        call.flags = entry.flags;
        call.address = callback_at(entry.address);
        const auto done = hypercall::callback_op(CALLBACKOP_register, &call);
        check(done.has_value(), "the callback of type {} was refused: {}", entry.type, done.error());
    }
}

// A descriptor table of one page, with a segment of data at selector 8.
Page* own_descriptors() {
    Page* const table = allocate_pages();
    reinterpret_cast<std::uint64_t*>(table)[1] = 0x00cff3000000ffff;
    works(protect(table, pte::read_only), "making the descriptor table read-only");
    xen_pfn_t frame = mfn_of(table).value();
    works(hypercall::set_gdt(&frame, 512), "set_gdt");
    return table;
}

std::uint16_t loaded(std::uint16_t selector) {
    std::uint16_t now_loaded = 0;
    asm volatile("mov %w[selector], %%es\n mov %%es, %w[now]\n mov %w[null], %%es"
                 : [now] "=&r"(now_loaded)
                 : [selector] "r"(selector), [null] "r"(std::uint16_t{0}));
    return now_loaded;
}

} // namespace

GUEST_TEST(kernel_start, "the calls of a kernel's start work one after another") {
    xen_feature_info features{};
    works(hypercall::xen_version(XENVER_get_features, &features), "get_features");
    works(hypercall::vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments), "vm_assist");
    works(hypercall::vm_assist(VMASST_CMD_disable, VMASST_TYPE_4gb_segments), "vm_assist");
    register_entries();
    Page* const descriptors = own_descriptors();
#ifndef __i386__
    works(hypercall::set_segment_base(SEGBASE_FS, 0), "set_segment_base");
#endif
    works(hypercall::fpu_taskswitch(false), "fpu_taskswitch");

    check(loaded(1 << 3 | 3) == (1 << 3 | 3), "a segment of the own table cannot be loaded");
    const auto trap = traps::probe([] { asm volatile("ud2"); });
    check(trap && trap->vector == traps::Vector::undefined, "an exception does not arrive");
    const std::uint64_t upcalls = events::upcalls();
    sleep(microseconds(200));
    check(events::upcalls() > upcalls, "events do not arrive");
    user::Space space = make_space(user_syscall_first, user_syscall_last);
    const user::Exit exit = ran(space.run(7));
    check(exit.cause == call_of_user && exit.argument == 7, "a system call does not arrive");

    xen_pfn_t none = 0;
    works(hypercall::set_gdt(&none, 0), "giving the descriptor table back");
    works(protect(descriptors, pte::read_write), "making it data again");
    free_pages(descriptors);
}
