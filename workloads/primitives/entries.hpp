// The shortest entries that a kernel can have (entries.S), and those of the runtime that they stand in for.
#pragma once

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/print.hpp"

extern "C" {
void entry_event();
void entry_failsafe();
void entry_syscall();
void primitives_event();      // takes the event of *primitives_pending_word and goes on
void primitives_syscall();    // goes on at once; 64-bit kernels alone
void primitives_breakpoint(); // the same
void primitives_page_fault(); // goes on behind primitives_touch's load
void primitives_touch(bulkhead::guest::Word address);
void primitives_iret();                                            // to its own end, through the hypervisor
extern const char primitives_user_first[], primitives_user_last[]; // 64-bit kernels alone
extern const char primitives_user_int_first[], primitives_user_int_last[];
extern xen_ulong_t* primitives_pending_word;
extern vcpu_info* primitives_vcpu_info;
}

namespace bulkhead::primitives {

inline void set_entries(void (*event)(), void (*syscall)()) {
    if (!guest::hypercall::set_callbacks(reinterpret_cast<const void*>(event),
                                         reinterpret_cast<const void*>(&entry_failsafe),
                                         reinterpret_cast<const void*>(syscall)))
        guest::panic("cannot set the callbacks");
}

} // namespace bulkhead::primitives
