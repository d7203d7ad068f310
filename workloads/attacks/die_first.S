// A guest that dies in its first instruction, before it has a stack or a trap table. No other guest may be harmed.
#include "guest/runtime/note.h"

    .section .text.boot, "ax", @progbits
    .globl _start
_start:
    ud2

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS,    .asciz, "bulkhead-die-first"
    note XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
    note XEN_ELFNOTE_VIRT_BASE,   .quad,  0xffffffff80000000
    note XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
    note XEN_ELFNOTE_ENTRY,       .quad,  _start
    note XEN_ELFNOTE_LOADER,      .asciz, "generic"

    .section .note.GNU-stack, "", @progbits
