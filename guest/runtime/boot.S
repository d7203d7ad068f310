// First instructions of a guest, the notes that tell a builder how to load it, and the hypercall page.
//
//   from                to           stack              registers kept
//   domain builder      _start       ours, fresh        rsi = start_info, handed on in rdi

#include "guest/runtime/note.h"

    .section .text.boot, "ax", @progbits
    .globl _start
_start:
    cld
    lea boot_stack_end(%rip), %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi
    call guest_boot
    ud2

    .section .text.hypercall_page, "ax", @progbits
    .balign 4096
    .globl hypercall_page
hypercall_page:
    .skip 4096, 0xcc

    .section .bss
    .balign 4096
    .globl stack_guard
stack_guard:                    // unmapped at boot: a stack that overflows ends the domain instead of its data
    .skip 4096
    .skip 32768
    .globl boot_stack_end
boot_stack_end:

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS,       .asciz, "bulkhead-guest"
    note XEN_ELFNOTE_GUEST_VERSION,  .asciz, "1"
    note XEN_ELFNOTE_XEN_VERSION,    .asciz, "xen-3.0"
    note XEN_ELFNOTE_VIRT_BASE,      .quad,  0xffffffff80000000
    note XEN_ELFNOTE_PADDR_OFFSET,   .quad,  0
    note XEN_ELFNOTE_ENTRY,          .quad,  _start
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad,  hypercall_page
    note XEN_ELFNOTE_FEATURES,       .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
    note XEN_ELFNOTE_PAE_MODE,       .asciz, "yes"
    note XEN_ELFNOTE_LOADER,         .asciz, "generic"

    .section .note.GNU-stack, "", @progbits
