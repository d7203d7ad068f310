# The start of a 32-bit kernel, and the ways into it from the hypervisor.
#
#   from               to             stack                       frame, from the stack pointer up
#   domain builder     _start         whatever; ours from then    esi = start_info
#   hypervisor         trap_N         interrupted, or kernel's    [error], eip, cs, eflags, and from ring 3 esp, ss
#   hypervisor         event_entry    the same                    eip, cs, eflags, and from ring 3 esp, ss
#
# All save the general registers below a vector and an error, hand the frame to C++, and leave by the iret hypercall, which
# also restores the event mask.
#include "guest/runtime/note.h"

    .set kernel_data, 0xe021
    .set iret_call, 23

    .text
    .globl _start
_start:
    cld
    mov $boot_stack_end, %esp
    xor %ebp, %ebp
    push %esi
    call start
    ud2

    .macro trap number:req
    .balign 16
    .if !(\number == 8 || (\number >= 10 && \number <= 14) || \number == 17)
    push $0
    .endif
    push $\number
    jmp common
    .endm

    .balign 16
    .globl trap_entries
trap_entries:
    .set n, 0
    .rept 33
    trap n
    .set n, n + 1
    .endr

    .balign 16
    .globl event_entry
event_entry:
    push $0
    push $0x100
    jmp common

    .globl failsafe_entry
failsafe_entry:
    add $16, %esp                   # the data selectors: ours are loaded below
    push $0
    push $0x101

common:
    pusha
    mov $kernel_data, %eax
    mov %eax, %ds
    mov %eax, %es
    cld
    push %esp
    call enter_kernel
    add $4, %esp
    popa
    add $8, %esp
    push %eax
    mov $iret_call, %eax
    int $0x82
    ud2

# bool enter_user(uint32_t eip, uint32_t esp): runs ring 3 until its next trap, and leave_user() returns from here.
    .globl enter_user
enter_user:
    pusha
    mov %esp, user_return
    mov 36(%esp), %eax              # eip
    mov 40(%esp), %edx              # esp
    push $0xe033
    push %edx
    push $2
    push $0xe02b
    push %eax
    push %eax
    mov $iret_call, %eax
    int $0x82
    ud2
    .globl leave_user
leave_user:
    mov user_return, %esp
    popa
    ret

    .section .hypercall_page, "ax", @progbits
    .globl hypercall_page
    .balign 4096
hypercall_page:
    .skip 4096, 0xcc

    .bss
    .balign 4096
    .skip 8192
boot_stack_end:
    .skip 8192
    .globl trap_stack_end
trap_stack_end:
user_return:
    .skip 4

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS,       .asciz, "Bulkhead"
    note XEN_ELFNOTE_XEN_VERSION,    .asciz, "xen-3.0"
    note XEN_ELFNOTE_VIRT_BASE,      .long,  0
    note XEN_ELFNOTE_ENTRY,          .long,  _start
    note XEN_ELFNOTE_HYPERCALL_PAGE, .long,  hypercall_page
    note XEN_ELFNOTE_PAE_MODE,       .asciz, "yes"
    note XEN_ELFNOTE_LOADER,         .asciz, "generic"

    .section .note.GNU-stack, "", @progbits
