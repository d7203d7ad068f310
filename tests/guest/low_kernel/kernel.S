// A kernel unlike every other guest here: linked at 1 MiB, at the lower end of its address space, with one page table
// root for kernel and applications. Test frameworks for this ABI are made so. Its notes leave VIRT_BASE and ENTRY out, so
// the base is 0 and the entry is that of the file. It starts as such a framework does, and says each step on the console.
//
//   from                to        stack                      frame
//   domain builder      _start    whatever; ours from then   rsi = start_info
//   hypervisor          on_ud     the interrupted one        rcx, r11, rip, cs, rflags, rsp, ss
//   hypervisor          on_pf     the interrupted one        rcx, r11, error, rip, cs, rflags, rsp, ss
//   hypervisor, int 32  on_call   the kernel's               rcx, r11, rip, cs, rflags, rsp, ss

#include "guest/runtime/note.h"

#define KERNEL_CS 0xe033
#define USER_CS   0xe033 /* the same: the hypervisor tells modes apart by itself */
#define USER_DS   0xe02b

#define SET_TRAP_TABLE     0
#define STACK_SWITCH       3
#define UPDATE_VA_MAPPING 14
#define CONSOLE_IO        18
#define IRET              23
#define MMUEXT_OP         26

#define NEW_USER_BASEPTR  15
#define UVMF_INVLPG        2
#define DOMID_SELF    0x7ff0

    .macro hypercall number:req
    call hypercall_page + \number * 32
    .endm

    .macro say text:req
    .pushsection .rodata
9:  .ascii "\text\n"
8:  .popsection
    mov $9b, %rdx
    mov $8b - 9b, %rsi
    xor %edi, %edi
    hypercall CONSOLE_IO
    .endm

    // The step is done if rax is 0.
    .macro step name:req
    test %rax, %rax
    jnz refused
    say "\name: done"
    .endm

    // Back from an exception or a call to the frame at the top of the stack, in the mode of `flags`.
    .macro return flags:req
    push $\flags
    jmp hypercall_page + IRET * 32
    .endm

    .text
    .globl _start
_start:
    mov $boot_stack_end, %esp

    mov $traps, %edi
    hypercall SET_TRAP_TABLE
    step "set_trap_table"

    mov $USER_DS, %edi
    mov $kernel_stack_end, %esi
    hypercall STACK_SWITCH
    step "stack_switch"

    mov $USER_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    say "data segments: done"

    xor %edi, %edi
    xor %esi, %esi
    mov $UVMF_INVLPG, %edx
    hypercall UPDATE_VA_MAPPING
    step "unmap the page at 0"

    mov %cr3, %rax
    shr $12, %rax
    mov %rax, new_user_root + 8
    mov $new_user_root, %edi
    mov $1, %esi
    xor %edx, %edx
    mov $DOMID_SELF, %r10d
    hypercall MMUEXT_OP
    step "the kernel's root for applications"

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

    pushq $USER_DS
    pushq $user_stack_end
    pushq $0x202
    pushq $USER_CS
    pushq $application
    return 0

application:
    int $32
    ud2

on_call:
    mov $boot_stack_end, %esp
    say "to an application and back: done"
    movabs $0x800000000badc0de, %rsp // not canonical: no frame can be made there
    pushf

refused:
    say "refused"
    ud2

on_ud:
    pop %rcx
    pop %r11
    cmpq $forced, (%rsp)
    jne refused
    movq $after_forced, (%rsp)
    return 0

on_pf:
    pop %rcx
    pop %r11
    add $8, %rsp
    cmpq $read_null, (%rsp)
    jne refused
    movq $after_read_null, (%rsp)
    return 0

    .section .text.hypercall_page, "ax", @progbits
    .balign 4096
hypercall_page:
    .skip 4096, 0xc3

    .data
    .balign 8
new_user_root:
    .long NEW_USER_BASEPTR, 0
    .quad 0, 0

    // The vector; the least mode that may call it, and 4: events are masked; where it leads.
    .macro trap vector:req, flags:req, handler:req
    .byte \vector, \flags
    .short KERNEL_CS
    .long 0
    .quad \handler
    .endm
traps:
    trap 6, 4, on_ud
    trap 14, 4, on_pf
    trap 32, 3 | 4, on_call
    .quad 0, 0

    .bss
    .balign 4096
    .skip 4096
boot_stack_end:
    .skip 4096
kernel_stack_end:
    .skip 4096
user_stack_end:

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS,       .asciz, "low"
    note XEN_ELFNOTE_GUEST_VERSION,  .asciz, "0"
    note XEN_ELFNOTE_XEN_VERSION,    .asciz, "xen-3.0"
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad,  hypercall_page
    note XEN_ELFNOTE_FEATURES,       .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
    note XEN_ELFNOTE_PAE_MODE,       .asciz, "yes"
    note XEN_ELFNOTE_LOADER,         .asciz, "generic"

    .section .note.GNU-stack, "", @progbits
