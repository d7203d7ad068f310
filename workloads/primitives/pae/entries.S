# As ../entries.S, for a kernel in ring 1. A frame on arrival: [error] eip cs eflags, and for ring 3 esp ss. iret takes eax in
# front of eip.

    .set kernel_cs, 0xe019
    .set iret_call, 23

    .text
    .globl primitives_event
primitives_event:
    push %eax
    mov primitives_vcpu_info, %eax
    movb $0, (%eax)                     # evtchn_upcall_pending
    movl $0, 4(%eax)                    # evtchn_pending_sel
    mov primitives_pending_word, %eax
    movl $0, (%eax)
    mov $iret_call, %eax
    int $0x82

    .globl primitives_breakpoint
primitives_breakpoint:
    push %eax
    mov $iret_call, %eax
    int $0x82

    .globl primitives_page_fault
primitives_page_fault:
    mov %eax, (%esp)
    movl $touched, 4(%esp)
    mov $iret_call, %eax
    int $0x82

    .globl primitives_touch
primitives_touch:
    mov 4(%esp), %eax
    mov (%eax), %eax
touched:
    ret

    .globl primitives_iret
primitives_iret:
    pushf
    push $kernel_cs
    push $1f
    push %eax
    mov $iret_call, %eax
    int $0x82
1:  ret

# In user mode: the least time of 31 system calls goes to the page at 0x601000, then the end.
    .section .rodata
    .balign 16
    .globl primitives_user_int_first
    .globl primitives_user_int_last
primitives_user_int_first:
    mov $31, %esi
    mov $-1, %edi
1:  rdtsc
    mov %eax, %ebx
    int $0x80
    rdtsc
    sub %ebx, %eax
    cmp %edi, %eax
    cmovb %eax, %edi
    dec %esi
    jnz 1b
    mov %edi, 0x601000
    ud2
primitives_user_int_last:

    .bss
    .balign 4
    .globl primitives_pending_word
    .globl primitives_vcpu_info
primitives_pending_word:
    .skip 4
primitives_vcpu_info:
    .skip 4

    .section .note.GNU-stack, "", @progbits
