// As kernel.S, for 32 bits with PAE: a kernel in ring 1, linked at 1 MiB, that opens the pages of its application in the one
// root that both have. Its notes leave VIRT_BASE and ENTRY out.
//
//   from                to        stack                      frame
//   domain builder      _start    whatever; ours from then   esi = start_info
//   hypervisor          on_ud     the interrupted one        eip, cs, eflags
//   hypervisor          on_pf     the interrupted one        error, eip, cs, eflags
//   hypervisor, int 32  on_call   the kernel's               eip, cs, eflags, esp, ss

#include "guest/runtime/note.h"

#define KERNEL_CS 0xe019
#define KERNEL_DS 0xe021
#define USER_CS   0xe02b
#define USER_DS   0xe033

#define SET_TRAP_TABLE     0
#define STACK_SWITCH       3
#define UPDATE_VA_MAPPING 14
#define CONSOLE_IO        18
#define IRET              23

#define UVMF_INVLPG        2
#define PRESENT            1
#define WRITABLE           2
#define USER               4
#define MFN_LIST          68 /* of start_info */

    .macro hypercall number:req
    call hypercall_page + \number * 32
    .endm

    .macro say text:req
    .pushsection .rodata
9:  .ascii "\text\n"
8:  .popsection
    mov $9b, %edx
    mov $8b - 9b, %ecx
    xor %ebx, %ebx
    hypercall CONSOLE_IO
    .endm

    // The step is done if eax is 0.
    .macro step name:req
    test %eax, %eax
    jnz refused
    say "\name: done"
    .endm

    // A page of the image becomes the application's too. Virtual and pseudo-physical addresses are the same; ebp is
    // start_info.
    .macro open page:req, flags:req
    mov $\page, %ebx
    mov %ebx, %eax
    shr $12, %eax
    mov MFN_LIST(%ebp), %ecx
    mov (%ecx, %eax, 4), %ecx
    mov %ecx, %edx
    shl $12, %ecx
    shr $20, %edx
    or $\flags, %ecx
    mov $UVMF_INVLPG, %esi
    hypercall UPDATE_VA_MAPPING
    .endm

    .text
    .globl _start
_start:
    mov $boot_stack_end, %esp
    mov %esi, %ebp

    mov $traps, %ebx
    hypercall SET_TRAP_TABLE
    step "set_trap_table"

    mov $KERNEL_DS, %ebx
    mov $kernel_stack_end, %ecx
    hypercall STACK_SWITCH
    step "stack_switch"

    mov $USER_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    say "data segments: done"

    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    mov $UVMF_INVLPG, %esi
    hypercall UPDATE_VA_MAPPING
    step "unmap the page at 0"

    open application, PRESENT | USER
    step "the application's code is open to ring 3"
    open user_stack, PRESENT | WRITABLE | USER
    step "the application's stack is open to ring 3"

    // A prefix that a hypervisor for testing emulates; others say that the instruction is undefined.
    xor %ebx, %ebx
forced:
    ud2
    .ascii "xen"
    mov $1, %bl
after_forced:
    test %ebx, %ebx
    jnz refused
    say "forced emulation is undefined: done"

read_null:
    mov 0, %al
after_read_null:
    say "the page at 0 faults: done"

    push $USER_DS
    push $user_stack_end
    push $0x202
    push $USER_CS
    push $application
    jmp hypercall_page + IRET * 32

on_call:
    mov $boot_stack_end, %esp
    say "to an application and back: done"
    mov $0xf6000000, %esp               // the hypervisor's: no frame can be made there
    pushf

refused:
    say "refused"
    ud2

on_ud:
    cmpl $forced, (%esp)
    jne refused
    movl $after_forced, (%esp)
    jmp hypercall_page + IRET * 32

on_pf:
    add $4, %esp
    cmpl $read_null, (%esp)
    jne refused
    movl $after_read_null, (%esp)
    jmp hypercall_page + IRET * 32

    .balign 4096
application:
    int $32
    ud2

    .section .text.hypercall_page, "ax", @progbits
    .balign 4096
hypercall_page:
    .skip 4096, 0xc3

    .data
    .balign 4
    // The vector; the least mode that may call it, and 4: events are masked; where it leads.
    .macro trap vector:req, flags:req, handler:req
    .byte \vector, \flags
    .short KERNEL_CS
    .long \handler
    .endm
traps:
    trap 6, 4, on_ud
    trap 14, 4, on_pf
    trap 32, 3 | 4, on_call
    .long 0, 0

    .bss
    .balign 4096
user_stack:
    .skip 4096
user_stack_end:
    .skip 4096
boot_stack_end:
    .skip 4096
kernel_stack_end:

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS,       .asciz, "low"
    note XEN_ELFNOTE_GUEST_VERSION,  .asciz, "0"
    note XEN_ELFNOTE_XEN_VERSION,    .asciz, "xen-3.0"
    note XEN_ELFNOTE_HYPERCALL_PAGE, .long,  hypercall_page
    note XEN_ELFNOTE_FEATURES,       .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
    note XEN_ELFNOTE_PAE_MODE,       .asciz, "yes"
    note XEN_ELFNOTE_LOADER,         .asciz, "generic"

    .section .note.GNU-stack, "", @progbits
