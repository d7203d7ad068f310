# The shortest entries that a kernel can have: what they take is small beside the hypervisor's part of a trap.
# A frame on arrival: rcx r11 [error] rip cs rflags rsp ss. iret takes flags in front of rip.

#define IRET_STUB (hypercall_page + 23 * 32)
    .set kernel_ss, 0xe02b
    .set kernel_cs, 0xe030              # ring 0 in a frame means kernel mode

    .text
    .globl primitives_event
primitives_event:
    mov primitives_vcpu_info(%rip), %rcx
    movb $0, (%rcx)                     # evtchn_upcall_pending
    movq $0, 8(%rcx)                    # evtchn_pending_sel
    mov primitives_pending_word(%rip), %rcx
    movq $0, (%rcx)
    .globl primitives_syscall
primitives_syscall:
    .globl primitives_breakpoint
primitives_breakpoint:
    pop %rcx
    pop %r11
    push $0
    jmp IRET_STUB

    .globl primitives_page_fault
primitives_page_fault:
    pop %rcx
    pop %r11
    movq $0, (%rsp)
    movq $touched, 8(%rsp)
    jmp IRET_STUB

    .globl primitives_touch
primitives_touch:
    mov (%rdi), %rax
touched:
    ret

    .globl primitives_iret
primitives_iret:
    mov %rsp, %rax
    push $kernel_ss
    push %rax
    pushfq
    push $kernel_cs
    push $1f
    push $0
    jmp IRET_STUB
1:  ret

# In user mode: the least time of 31 system calls goes to the page at 0x601000, then the end.
    .macro user_code name:req, call:vararg
    .section .rodata
    .balign 16
    .globl \name\()_first
    .globl \name\()_last
\name\()_first:
    mov $31, %r12d
    mov $-1, %r13
1:  rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, %rbx
    \call
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub %rbx, %rax
    cmp %r13, %rax
    cmovb %rax, %r13
    dec %r12d
    jnz 1b
    mov %r13, 0x601000
    ud2
\name\()_last:
    .endm
    user_code primitives_user, syscall
    user_code primitives_user_int, int $0x80

    .bss
    .balign 8
    .globl primitives_pending_word
    .globl primitives_vcpu_info
primitives_pending_word:
    .skip 8
primitives_vcpu_info:
    .skip 8

    .section .note.GNU-stack, "", @progbits
