// First instructions of a 32-bit guest, the notes that tell a builder how to load it, and the hypercall page.
//
//   from                to           stack              registers kept
//   domain builder      _start       ours, fresh        esi = start_info, handed on

#include "guest/runtime/note.h"

    .section .text.boot, "ax", @progbits
    .globl _start
_start:
    cld
    mov $0xe033, %eax               // data of ring 3, which ring 1 may use too
    mov %eax, %ds
    mov %eax, %es
    mov $boot_stack_end, %esp
    xor %ebp, %ebp
    push %esi
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
    note XEN_ELFNOTE_VIRT_BASE,      .long,  0xc0000000
    note XEN_ELFNOTE_PADDR_OFFSET,   .long,  0
    note XEN_ELFNOTE_ENTRY,          .long,  _start
    note XEN_ELFNOTE_HYPERCALL_PAGE, .long,  hypercall_page
    note XEN_ELFNOTE_FEATURES,       .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
    note XEN_ELFNOTE_PAE_MODE,       .asciz, "yes"
    note XEN_ELFNOTE_LOADER,         .asciz, "generic"

    .section .note.GNU-stack, "", @progbits
